/** What becomes of packets with each option: AKS docs, concepts-network-cni-overview; a column of the matrix for each. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadLab } from "../documents/index.ts";
import { type TracedOption, traceOptions } from "./options-traced.ts";

function tracedIn(file: string, cluster: string, text = readFileSync(file, "utf8")): readonly TracedOption[] {
  const read = (path: string, from: string) => ({ path, text: readFileSync(join(from, "..", path), "utf8") });
  const { resources } = loadLab([{ path: file, text }], read);
  for (const { value } of resources) {
    if ("type" in value && value.type === "Microsoft.ContainerService/managedClusters" && value.name === cluster)
      return traceOptions(resources, value);
  }
  throw new Error(`no cluster ${cluster}`);
}

/** Who is seen, or that nothing arrives, with the number of translations. */
function matrix(traced: readonly TracedOption[]) {
  return Object.fromEntries(
    traced.map(({ option, legs }) => [
      option,
      Object.fromEntries(legs.map(({ id, seen, translations }) => [id, seen === undefined ? "nothing" : `${seen.whose} ${translations}`])),
    ]),
  );
}

const hidden = { pod: "the sender 0", vm: "the node 1", site: "the node 1", internet: "another 2", fromVm: "nothing", fromSite: "nothing" };

describe("two options in one VNet", () => {
  const want = {
    kubenet: hidden,
    nodeSubnet: { ...hidden, vm: "the sender 0", fromVm: "the sender 0", fromSite: "the sender 0" },
    podSubnet: {
      ...hidden,
      vm: "the sender 0",
      site: "the sender 0",
      internet: "another 1",
      fromVm: "the sender 0",
      fromSite: "the sender 0",
    },
    overlay: hidden,
  };
  for (const cluster of ["shop-kubenet", "shop-azure"]) {
    test(`${cluster}: what it is today makes no difference`, () => {
      expect(matrix(tracedIn("examples/two-options/lab.yaml", cluster))).toEqual(want);
    });
  }
});

test("what Azure refuses is not traced, and says why", () => {
  const windows = `lab: t
networks: [{ name: v, addressSpace: [10.240.0.0/16], subnets: [{ name: s, prefix: 10.240.0.0/23 }] }]
clusters: [{ name: c, networkPlugin: azure, subnet: v/s, pools: [{ name: np1, count: 2 }, { name: win1, count: 2, osType: Windows }] }]
`;
  const traced = tracedIn("lab.yaml", "c", windows);
  const kubenet = traced.find(({ option }) => option === "kubenet");
  expect(kubenet?.legs).toEqual([]);
  expect(kubenet?.refused).toMatch(/Windows.*\(\w+\)$/);
});
