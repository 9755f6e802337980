/**
 * The questions that decide between the network options, and the file with their answers. A question that is not answered is unknown, and the advice
 * says so. The published JSON Schema (schema/answers.schema.json) and the template that `drydock advise --questions` prints are made from the same
 * definition.
 */

import type { DocumentFile, Problem } from "../../documents/index.ts";
import { located } from "../../documents/manifests.ts";
import { choice, flag, integer, type JsonSchema, object, optional, type Shape, text } from "../../documents/shape.ts";
import { parseSources } from "../../documents/tree.ts";
import { parsePrefix } from "../../net/prefix.ts";

type Question = { readonly question: string; readonly example: string };

const cidr = text({
  what: "prefix",
  pattern: /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/,
  rule: "an IPv4 address, a slash, a length",
  examples: ["10.240.0.0/23"],
});

const date = text({ what: "date", pattern: /^\d{4}-\d{2}-\d{2}$/, rule: "year-month-day", examples: ["2030-12-31"] });

/** In the order of the template. */
const questions = {
  cluster: q("What is the cluster called?", "shop"),
  kubernetesVersion: q("Which Kubernetes version?", '"1.33"'),
  nodes: q("How many nodes has it at most?", "50"),
  maxPods: q("How many pods has a node at most?", "30"),
  addressSpace: q("Which range of the VNet is free for its nodes and, if they take addresses of it, its pods?", "10.240.0.0/23"),
  traffic: q("Where does most traffic of the pods go: to others in the cluster, or to what is outside?", "insideCluster"),
  podsReachedFromOutside: q(
    "Must machines outside the cluster (VMs, peered VNets, on-premises) open connections to a pod's own address?",
    "false",
  ),
  podAddressSeen: q(
    "Who must see the pod's own address as source: nobody outside, machines in the VNet, or peered VNets and on-premises too?",
    "nowhere",
  ),
  onPremises: q("Is there a connection to on-premises networks?", "true"),
  userDefinedRoutes: q("May the node subnet have a route table that somebody looks after?", "avoid"),
  networkPolicy: q("Which engine enforces network policies? any: they are wanted, the engine is open", "none"),
  windowsPools: q("Are there Windows node pools?", "false"),
  virtualNodes: q("Are virtual nodes (Azure Container Instances) wanted?", "false"),
  sharedSubnet: q("Is the node subnet shared with another cluster?", "false"),
  dualStack: q("Must pods have IPv6 addresses too?", "false"),
  until: q("Until when will the cluster live?", "2030-12-31"),
} satisfies Record<string, Question>;

function q(question: string, example: string): Question {
  return { question, example };
}

const field = <T>(shape: Shape<T>, name: keyof typeof questions) => optional(shape, questions[name].question);

const answersShape = object(
  {
    cluster: field(
      text({ what: "name", pattern: /^[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?$/, rule: "a cluster's name", examples: ["shop"] }),
      "cluster",
    ),
    kubernetesVersion: field(
      text({ what: "version", pattern: /^\d+\.\d+(\.\d+)?$/, rule: "a version such as 1.33", examples: ["1.33"], numbersToo: true }),
      "kubernetesVersion",
    ),
    nodes: field(integer({ what: "nodes", min: 1, max: 5000 }), "nodes"),
    maxPods: field(integer({ what: "maxPods", min: 10, max: 250 }), "maxPods"),
    addressSpace: field(cidr, "addressSpace"),
    traffic: field(choice(["insideCluster", "outsideCluster"], { what: "traffic" }), "traffic"),
    podsReachedFromOutside: field(flag("podsReachedFromOutside"), "podsReachedFromOutside"),
    podAddressSeen: field(choice(["nowhere", "vnet", "everywhere"], { what: "podAddressSeen" }), "podAddressSeen"),
    onPremises: field(flag("onPremises"), "onPremises"),
    userDefinedRoutes: field(choice(["avoid", "accept"], { what: "userDefinedRoutes" }), "userDefinedRoutes"),
    networkPolicy: field(choice(["none", "any", "azure", "calico", "cilium"], { what: "networkPolicy" }), "networkPolicy"),
    windowsPools: field(flag("windowsPools"), "windowsPools"),
    virtualNodes: field(flag("virtualNodes"), "virtualNodes"),
    sharedSubnet: field(flag("sharedSubnet"), "sharedSubnet"),
    dualStack: field(flag("dualStack"), "dualStack"),
    until: field(date, "until"),
  },
  { what: "an answers file", synonyms: { name: "cluster", maxNodes: "nodes", ipv6: "dualStack", windows: "windowsPools" } },
);

type Read = NonNullable<ReturnType<typeof answersShape.read>>;

/** What was answered. `file`: for the source of a fact. */
export type Answers = { readonly file: string; readonly given: Read };

export type ReadAnswers = { readonly answers?: Answers; readonly problems: readonly Problem[] };

/** Reads an answers file. All problems at once; no answers when there is one. */
export function readAnswers(file: DocumentFile): ReadAnswers {
  const problems: Problem[] = [];
  const [source] = parseSources(file, (problem) => problems.push(problem));
  if (source === undefined) {
    const message = "the file is empty";
    const problem: Problem = {
      code: "EmptyDocument",
      severity: "error",
      file: file.path,
      path: "",
      message,
      fix: "drydock advise --questions > answers.yaml",
    };
    return { problems: problems.length > 0 ? problems : [problem] };
  }
  const complain = (path: readonly (string | number)[], finding: Parameters<typeof located>[2], of?: "key" | "value") =>
    problems.push(located(source, path, finding, of));
  const given = answersShape.read(source.root, [], complain);
  if (given?.addressSpace !== undefined && parsePrefix(given.addressSpace) === undefined) {
    complain(["addressSpace"], {
      code: "InvalidCIDR",
      value: given.addressSpace,
      message: "it is no prefix: host bits are zero, the length is at most 32",
      fix: "write it like 10.240.0.0/23",
    });
  }
  return given === undefined || problems.some(({ severity }) => severity === "error")
    ? { problems }
    : { answers: { file: file.path, given }, problems };
}

export function answersSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Drydock answers",
    description:
      "Answers to the questions that decide between AKS's network options, for `drydock advise --answers`. What is left out is unknown.",
    ...answersShape.schema,
  };
}

/** A file to fill in: every question with an answer as an example, commented out. */
export function answersTemplate(): string {
  const values: Readonly<Record<string, string>> = {
    traffic: "insideCluster or outsideCluster",
    podAddressSeen: "nowhere, vnet or everywhere",
    userDefinedRoutes: "avoid or accept",
    networkPolicy: "none, any, azure, calico or cilium",
  };
  const lines = Object.entries(questions).map(([name, { question, example }]) => {
    const choices = values[name] === undefined ? "" : ` (${values[name]})`;
    return `\n# ${question}${choices}\n# ${name}: ${example}\n`;
  });
  return `# Answers for 'drydock advise --answers FILE'. Take away the # before what you know, and put your answer there; what you leave is unknown.\n${lines.join("")}`;
}
