// What is run: the bundle of the same name, with V8's code cache of it, so that a start does not parse a megabyte of text first. A cache of another
// version of V8 is refused by V8 and does no harm.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runBundle } from "./run-bundle.mjs";

const bundle = fileURLToPath(import.meta.url).replace(/\.mjs$/, ".cjs");
runBundle(bundle, cacheOf(bundle));

function cacheOf(path) {
  try {
    return readFileSync(path.replace(/\.cjs$/, ".cache"));
  } catch {
    return undefined;
  }
}
