// Builds web/static/build: two style sheets (the pages', and the one a report carries with it), the
// page components' script, our own, and the icon. Names carry a hash of the content, so that they
// may be cached for ever; assets.json maps the plain name to the hashed one.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as sass from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const target = join(here, "build");
const govuk = join(here, "..", "..", "node_modules", "govuk-frontend", "dist", "govuk");
const names = {};

function write(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8);
  const { name: stem, ext } = parse(name);
  names[name] = `${stem}-${hash}${ext}`;
  writeFileSync(join(target, names[name]), content);
  writeFileSync(join(target, `${names[name]}.gz`), gzipSync(content, { level: 9 }));
}

function css(name) {
  const { css: text } = sass.compile(join(source, `${name}.scss`), {
    style: "compressed",
    quietDeps: true,
  });
  const outside = text.match(/url\([^)]*\)/g);
  if (outside) throw new Error(`${name}.css refers to ${outside.join(", ")}`);
  if (/GDS Transport/.test(text)) throw new Error(`${name}.css names a typeface we may not use`);
  write(`${name}.css`, text.replace(/^\uFEFF/, ""));
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
css("app");
css("report");
const components = readFileSync(join(govuk, "govuk-frontend.min.js"), "utf8");
write("govuk-frontend.js", components.replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n"));
for (const name of ["progress.js", "site.js", "whatif.js"]) {
  write(name, readFileSync(join(source, name), "utf8"));
}
const script = readFileSync(join(source, "app.js"), "utf8");
write("app.js", script.replace(/"\.\/([\w-]+\.js)"/g, (_, name) => `"./${names[name]}"`));
write("signpost.svg", readFileSync(join(source, "signpost.svg"), "utf8"));
writeFileSync(join(target, "assets.json"), `${JSON.stringify(names, null, 2)}\n`);
