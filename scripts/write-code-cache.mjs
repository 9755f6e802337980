// Runs a bundle with the arguments that follow, and writes V8's code cache of all that ran by then beside it. For scripts/build.mjs.
import { writeFileSync } from "node:fs";
import { runBundle } from "./run-bundle.mjs";

const [bundle, ...words] = process.argv.slice(2);
process.argv = [process.argv[0], bundle, ...words];
const script = runBundle(bundle, undefined);
process.on("exit", () => writeFileSync(bundle.replace(/\.cjs$/, ".cache"), script.createCachedData()));
