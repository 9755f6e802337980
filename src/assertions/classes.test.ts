import { describe, expect, test } from "vitest";
import { randomLab } from "../../test/labs/random-lab.ts";
import { openText } from "../../test/labs/running-lab.ts";
import { prepareReach, readAssertions } from "./index.ts";
import { judgeReach } from "./reach.ts";

const assertions = `assertions:
  - { name: pods, from: [{ kind: pod }, { kind: node }], to: { kind: pod } }
  - { name: machines, from: [{ kind: pod }, { kind: node }, { kind: vm }], to: [{ kind: vm }, { kind: internet }] }
  - { name: inward, from: [{ kind: vm }, { kind: internet }], to: [{ kind: pod }, { kind: node }], outcome: blocked }
  - { name: around, from: { kind: pod }, to: [{ kind: pod }, { kind: vm }], exceptThrough: "vnet/*" }
`;

describe("pairs of a class have the answer of the one that is asked", () => {
  for (let seed = 1; seed <= 6; seed++) {
    test(`seed ${seed}`, { timeout: 60_000 }, () => {
      const view = openText(randomLab(seed));
      const [file] = readAssertions({ path: "test.yaml", text: assertions }).files;
      if (file === undefined) throw new Error("the assertions have errors");
      let saved = 0;
      for (const assertion of file.assertions) {
        const { words } = assertion;
        if (words.kind !== "reach") throw new Error("not about packets");
        const [some, all] = [false, true].map((every) => {
          const reach = prepareReach(view, file, assertion, words, { every });
          if (!("questions" in reach)) throw new Error(reach[0]?.message);
          const { status, packets, deviating } = judgeReach(view, reach);
          return { answer: { status, packets, deviating }, asked: reach.questions.length };
        });
        expect(some?.answer, assertion.name).toEqual(all?.answer);
        saved += (all?.asked ?? 0) - (some?.asked ?? 0);
      }
      expect(saved).toBeGreaterThan(0);
    });
  }
});
