/** What decides between the options: from designs, from answers, and what contradicts itself. */

import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { loadLab } from "../../documents/index.ts";
import { planDocuments } from "../index.ts";
import type { OptionName } from "../model.ts";
import {
  type Advice,
  type Answers,
  adviseAnswers,
  adviseDesign,
  answersSchema,
  answersTemplate,
  type ClusterAdvice,
  readAnswers,
} from "./index.ts";

function answered(text: string): Answers {
  const { answers, problems } = readAnswers({ path: "answers.yaml", text });
  expect(problems).toEqual([]);
  if (answers === undefined) throw new Error("no answers");
  return answers;
}

function only({ clusters }: Advice): ClusterAdvice {
  const [cluster] = clusters;
  if (cluster === undefined || clusters.length > 1) throw new Error(`${clusters.length} clusters`);
  return cluster;
}

const onAnswers = (text: string, rules: "current" | "lesson" = "current") => only(adviseAnswers(answered(text), { rules }));

function onDesign(text: string, answers?: string): ClusterAdvice {
  const loaded = loadLab([{ path: "lab.yaml", text }], () => undefined);
  return only(adviseDesign(loaded, planDocuments(loaded), answers === undefined ? undefined : answered(answers)));
}

function cluster(lines: string, prefix = "10.240.0.0/22"): string {
  return `lab: t\nnetworks: [{ name: v, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: ${prefix} }] }]\nclusters:\n  - name: c\n    subnet: v/nodes\n${lines
    .split("\n")
    .map((line) => `    ${line}\n`)
    .join("")}`;
}

describe("each answer excludes what cannot do it", () => {
  const cases: readonly (readonly [answer: string, excluded: readonly OptionName[]])[] = [
    ["windowsPools: true", ["kubenet"]],
    ["virtualNodes: true", ["kubenet", "overlay"]],
    ["networkPolicy: azure", ["kubenet"]],
    ["networkPolicy: calico", []],
    ["networkPolicy: any", []],
    ["podsReachedFromOutside: true", ["kubenet", "overlay"]],
    ["podAddressSeen: vnet", ["kubenet", "overlay"]],
    ["podAddressSeen: everywhere", ["kubenet", "nodeSubnet", "overlay"]],
    ["sharedSubnet: true", ["kubenet"]],
    ["dualStack: true", ["nodeSubnet", "podSubnetDynamic", "podSubnetStatic"]],
    ["until: 2030-12-31", ["kubenet"]],
    ["until: 2027-12-31", []],
    ["nodes: 500", ["kubenet"]],
    ["traffic: outsideCluster", []],
  ];
  for (const [answer, excluded] of cases) {
    test(answer, () => {
      const { ranking } = onAnswers(answer);
      expect(
        ranking
          .filter(({ excludedBy }) => excludedBy.length > 0)
          .map(({ option }) => option)
          .sort(),
      ).toEqual([...excluded].sort());
    });
  }
});

describe("the ranking is a count", () => {
  test("nothing known: Overlay, which takes the fewest addresses and no routes", () => {
    expect(onAnswers("cluster: c").recommended).toBe("overlay");
  });

  test("traffic that leaves the cluster speaks for pods with addresses of the VNet", () => {
    const { recommended, ranking } = onAnswers("traffic: outsideCluster\nnodes: 3\nmaxPods: 30\naddressSpace: 10.240.0.0/20");
    expect(ranking.find(({ rank }) => rank === 1)?.supportedBy).toEqual(["lifetime", "traffic"]);
    expect(recommended).not.toBe("overlay");
  });

  test("what is excluded stands last, whatever speaks for it", () => {
    const { ranking } = onAnswers("traffic: outsideCluster\nnodes: 50\nmaxPods: 250\naddressSpace: 10.240.0.0/24");
    expect(ranking[0]).toMatchObject({ option: "overlay", rank: 1 });
    expect(ranking.filter(({ rank }) => rank === undefined).map(({ option }) => option)).toContain("nodeSubnet");
  });

  test("addresses are the plan's: 50 nodes of 1 + 30 with 10 % surge", () => {
    const { ranking } = onAnswers("nodes: 50\nmaxPods: 30\naddressSpace: 10.240.0.0/21\nkubernetesVersion: '1.33'");
    const flat = ranking.find(({ option }) => option === "nodeSubnet");
    expect(flat?.figures.nodeSubnet).toMatchObject({ addresses: { maxUpgrade: 55 * 31 }, smallest: { maxUpgrade: 21 } });
  });
});

describe("contradictions are the smallest sets of wishes that leave nothing", () => {
  test("virtual nodes on a kubenet cluster", () => {
    const { contradictions } = onDesign(cluster("networkPlugin: kubenet"), "virtualNodes: true");
    expect(contradictions).toHaveLength(1);
    expect(contradictions[0]).toMatchObject({ between: ["virtualNodes", "chosen"] });
    expect(contradictions[0]?.message).toContain("answers.yaml: virtualNodes");
  });

  test("a Windows pool on a kubenet cluster, as the documents say", () => {
    const { contradictions } = onDesign(
      cluster("networkPlugin: kubenet\npools: [{ name: np1, count: 2 }, { name: win1, count: 2, osType: Windows }]"),
    );
    expect(contradictions.map(({ between }) => between)).toContainEqual(["windowsPools", "chosen"]);
    expect(contradictions[0]?.message).toContain("pool c/win1: osType Windows");
  });

  test("pods reachable from on-premises, and a /26 for 20 nodes", () => {
    const { contradictions, recommended } = onAnswers("podsReachedFromOutside: true\nnodes: 20\nmaxPods: 30\naddressSpace: 10.240.0.0/26");
    expect(recommended).toBeUndefined();
    expect(contradictions.map(({ between }) => between)).toEqual([["reach", "addresses"]]);
  });

  test("none where there is none", () => {
    expect(onDesign(cluster("networkPlugin: azure")).contradictions).toEqual([]);
  });
});

describe("what a design says", () => {
  test("each fact has its source", () => {
    const { criteria, chosen } = onDesign(cluster("networkPlugin: azure\nnetworkPolicy: azure"));
    expect(chosen).toBe("nodeSubnet");
    expect(criteria.find(({ id }) => id === "networkPolicy")?.found).toEqual({
      words: "wanted, by Azure Network Policy Manager",
      source: "cluster c: networkPolicy azure",
    });
  });

  test("a subnet that is too small is no exclusion while the VNet has a free range", () => {
    const { criteria } = onDesign(cluster("networkPlugin: kubenet\npools: [{ count: 10, maxPods: 110 }]", "10.240.0.0/24"));
    const addresses = criteria.find(({ id }) => id === "addresses");
    expect(addresses?.verdicts.nodeSubnet).toBeUndefined();
    expect(addresses?.found?.words).toContain("a new /21 in 10.240.8.0/21, which is in no subnet");
  });

  test("answers have the last word", () => {
    const { criteria } = onDesign(cluster("networkPlugin: azure"), "networkPolicy: cilium");
    expect(criteria.find(({ id }) => id === "networkPolicy")?.found?.source).toBe("answers.yaml: networkPolicy");
  });
});

describe("the lesson", () => {
  test("twelve sentences, six each, all decided when all is known", () => {
    const all =
      "nodes: 10\nmaxPods: 30\naddressSpace: 10.240.0.0/16\ntraffic: outsideCluster\nuserDefinedRoutes: avoid\nnetworkPolicy: azure\nwindowsPools: false\nvirtualNodes: true\nonPremises: true";
    const { sentences = [], recommended } = onAnswers(all, "lesson");
    expect(sentences.filter(({ option }) => option === "kubenet")).toHaveLength(6);
    expect(sentences.filter(({ option }) => option === "nodeSubnet").every(({ holds }) => holds === true)).toBe(true);
    expect(sentences.some(({ holds }) => holds === "unknown")).toBe(false);
    expect(recommended).toBe("nodeSubnet");
  });

  test("six for kubenet", () => {
    const all =
      "nodes: 10\nmaxPods: 30\naddressSpace: 10.240.0.0/26\ntraffic: insideCluster\nuserDefinedRoutes: accept\nnetworkPolicy: none\nwindowsPools: false\nvirtualNodes: false\nonPremises: false";
    const { sentences = [], recommended, ranking } = onAnswers(all, "lesson");
    expect(sentences.filter(({ option }) => option === "kubenet").every(({ holds }) => holds === true)).toBe(true);
    expect(recommended).toBe("kubenet");
    expect(ranking.map(({ option }) => option)).toEqual(["kubenet", "nodeSubnet"]);
  });

  test("nobody knows, nobody holds", () => {
    const { sentences = [] } = onAnswers("cluster: c", "lesson");
    expect(sentences.every(({ holds }) => holds === "unknown")).toBe(true);
  });
});

describe("the answers file", () => {
  test("the published schema is current (vitest -u writes it)", async () => {
    await expect(`${JSON.stringify(answersSchema(), null, 2)}\n`).toMatchFileSnapshot("../../../schema/answers.schema.json");
  });

  test("the template is empty, and with its marks taken away it is valid and asks everything", () => {
    expect(parse(answersTemplate())).toBeNull();
    const filled = answersTemplate().replace(/^# (\w+: \S+)$/gm, "$1");
    const schema = answersSchema();
    expect(new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)(parse(filled))).toBe(true);
    expect(Object.keys(parse(filled) as object)).toEqual(Object.keys(schema.properties as object));
    answered(filled);
  });

  test("what is wrong is said with its place, all at once", () => {
    const { answers, problems } = readAnswers({ path: "a.yaml", text: "trafic: insideCluster\nnodes: many\naddressSpace: 10.0.0.1/33\n" });
    expect(answers).toBeUndefined();
    expect(problems.map(({ line, code }) => [line, code])).toEqual([
      [1, "UnknownProperty"],
      [2, "WrongType"],
      [3, "InvalidCIDR"],
    ]);
  });
});
