import { createAll, ServiceNavigation, SkipLink } from "./govuk-frontend.js";
import "./progress.js";

createAll(ServiceNavigation);
createAll(SkipLink);
