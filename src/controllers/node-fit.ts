/** May a pod run on a node? The rules that the scheduler and the DaemonSet controller share (k8s, component-helpers/scheduling). */

import type { Affinity, Node, NodeSelectorRequirement, PodSpec, Taint, Toleration } from "../kube/objects.ts";

/** `nodeSelector` and the required node affinity. */
export function matchesNodeSelection(spec: Pick<PodSpec, "nodeSelector" | "affinity">, node: Node): boolean {
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) if (node.metadata.labels?.[key] !== value) return false;
  const terms = requiredTerms(spec.affinity);
  return terms === undefined || terms.some((term) => matchesTerm(term, node));
}

/** The name of the only node that a pod may run on, when its affinity names one as that of a DaemonSet's pod does. */
export function pinnedNode(spec: PodSpec): string | undefined {
  const terms = requiredTerms(spec.affinity);
  const field = terms?.length === 1 ? terms[0]?.matchFields?.[0] : undefined;
  return field?.key === "metadata.name" && field.operator === "In" && field.values?.length === 1 ? field.values[0] : undefined;
}

/** The affinity that keeps a pod on one node (k8s, pkg/controller/daemon/util, ReplaceDaemonSetPodNodeNameNodeAffinity). */
export function pinnedTo(node: string): Affinity {
  const matchFields = [{ key: "metadata.name", operator: "In", values: [node] }] as const;
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } } };
}

/** The first taint with one of `effects` that no toleration covers. */
export function untoleratedTaint(
  node: Node,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly Taint["effect"][] = ["NoSchedule", "NoExecute"],
): Taint | undefined {
  return node.spec.taints?.find(
    (taint) => effects.includes(taint.effect) && !tolerations?.some((toleration) => tolerates(toleration, taint)),
  );
}

/** The effect must be equal or absent, the key equal or absent (then the operator must be Exists), and the value equal or not asked for. */
function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key, operator, value, effect } = toleration;
  if (effect !== undefined && effect !== "" && effect !== taint.effect) return false;
  if (key === undefined || key === "") return operator === "Exists";
  if (key !== taint.key) return false;
  return operator === "Exists" || (value ?? "") === (taint.value ?? "");
}

type Term = NonNullable<ReturnType<typeof requiredTerms>>[number];

function requiredTerms(affinity: Affinity | undefined) {
  return affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
}

/** An empty term matches nothing. */
function matchesTerm(term: Term, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every((requirement) => meets(requirement, node.metadata.labels?.[requirement.key])) &&
    matchFields.every((requirement) => meets(requirement, requirement.key === "metadata.name" ? node.metadata.name : undefined))
  );
}

function meets({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return operator satisfies never;
  }
}
