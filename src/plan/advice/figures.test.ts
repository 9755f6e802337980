/** Advice quotes the plan: for every example, each figure beside an option is the one that the plan has in its table. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { loadLab } from "../../documents/index.ts";
import { planDocuments } from "../index.ts";
import { adviseDesign } from "./index.ts";

const labs = readdirSync("examples").flatMap((name) => {
  const path = join("examples", name, "lab.yaml");
  return existsSync(path) ? [path] : [];
});

test.each(labs)("%s", (path) => {
  const read = (file: string, from: string) => {
    const found = join(dirname(from), file);
    return existsSync(found) ? { path: found, text: readFileSync(found, "utf8") } : undefined;
  };
  const loaded = loadLab([{ path, text: readFileSync(path, "utf8") }], read);
  // As the two commands do: each with a plan of its own.
  const plan = planDocuments(loaded);
  const advice = adviseDesign(loaded, planDocuments(loaded));
  expect(advice.clusters.map(({ cluster }) => cluster)).toEqual(plan.clusters.map(({ name }) => name));
  for (const [index, { chosen, criteria, ranking }] of advice.clusters.entries()) {
    const options = plan.clusters[index]?.options ?? [];
    expect(chosen).toBe(options.find(({ isChosen }) => isChosen)?.option);
    for (const { option, figures } of ranking) {
      const planned = options.find((one) => one.option === option);
      expect(figures).toEqual(planned);
      const sentences = criteria.flatMap(({ verdicts }) => verdicts[option]?.because ?? []).join("; ");
      for (const [, whose, addresses] of sentences.matchAll(/(nodes|pods)' subnet: (\d+) addresses/g)) {
        const room = whose === "nodes" ? planned?.nodeSubnet : planned?.podSubnet;
        expect(Number(addresses), `${option}: ${sentences}`).toBe(room?.addresses.maxUpgrade);
      }
    }
  }
});
