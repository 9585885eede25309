import { createAll, ServiceNavigation, SkipLink } from "./govuk-frontend.js";

createAll(ServiceNavigation);
createAll(SkipLink);
