/** examples/estate, in the kernel: what Azure says of an estate carries real packets as the tracer says. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { openLab } from "../../src/lab/index.ts";
import { RunningLab } from "../labs/running-lab.ts";

const folder = join(import.meta.dirname, "../../examples/estate");
const file = (path: string) => ({ path, text: readFileSync(join(folder, path), "utf8") });

test("every pair of ends goes as predicted", async () => {
  const documents = ["lab.yaml", ...readdirSync(folder).filter((name) => name.endsWith(".json"))];
  const { view, problems } = openLab(documents.map(file), file);
  expect(problems).toEqual([]);
  if (view === undefined) throw new Error("examples/estate has errors");
  const lab = new RunningLab(view, new Kernel());
  try {
    expect(await lab.disagreements(1)).toMatchObject({ found: [] });
  } finally {
    lab.close();
  }
});
