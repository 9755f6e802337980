import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";

/** No golden is fiction: the kernel takes each as it stands. */
const goldens = join(import.meta.dirname, "../goldens");
for (const file of readdirSync(goldens, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".nft"))) {
  test(`the kernel accepts ${file}`, () => {
    execFileSync("nft", ["--check", "-f", join(goldens, file)], { stdio: "pipe" });
  });
}
