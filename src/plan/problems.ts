/** What of a plan does not fit, in Azure's terms: code, target, the numbers, and when it shows. All of it at once. */

import { smallestPodCidr, smallestSubnet } from "../arm/addresses.ts";
import { ipv6PodCidr, smallestIpv6PodCidr } from "../arm/dual-stack.ts";
import type { Budget, BudgetKind, Moment, PlanProblem } from "./model.ts";

/** The first moment at which a budget does not suffice, and what that means. */
const stages = [
  { moment: "now", when: "create", verb: "need" },
  { moment: "upgrade", when: "upgrade", verb: "need, while one pool is upgraded with its surge," },
  { moment: "max", when: "scale", verb: "need at their largest" },
  { moment: "maxUpgrade", when: "upgrade", verb: "need at their largest, while one pool is upgraded with its surge," },
  { moment: "maxUpgradeAll", when: "upgrade", verb: "need at their largest, while all pools are upgraded at once," },
] as const satisfies readonly { readonly moment: Moment; readonly when: PlanProblem["when"]; readonly verb: string }[];

/** `known`: what reading the documents found; what is among it already is not said twice. */
export function problemsOf(budgets: readonly Budget[], known: readonly PlanProblem[]): readonly PlanProblem[] {
  return budgets.flatMap((budget) => {
    const stage = stages.find(({ moment }) => budget.left[moment] < 0);
    if (stage === undefined) return [];
    const problem = problemOf(budget, stage);
    const isSame = ({ code, resource }: PlanProblem) => code === problem.code && resource !== undefined && resource === problem.resource;
    return stage.moment === "now" && known.some(isSame) ? [] : [problem];
  });
}

/** The path of a problem's target. */
export function propertyOf({ target }: PlanProblem): readonly string[] {
  return target.split(".");
}

/** A lab brings up what does not fit, and says what waits for an address; a plan says it itself, with all that is in the subnet. */
export function isRoomWarning({ code, severity }: Pick<PlanProblem, "code" | "severity">): boolean {
  return severity === "warning" && (code === "InsufficientSubnetSize" || code === "AddressesPerNetwork");
}

function problemOf(budget: Budget, { moment, when, verb }: (typeof stages)[number]): PlanProblem {
  const { kind, name, resource, capacity, unit, used, holders, code, limit, failures } = budget;
  const who = holders
    .filter(({ amounts }) => amounts[moment] > 0)
    .map(({ name: holder, amounts, arithmetic }) => {
      const sum = moment === "now" && arithmetic !== undefined ? `${arithmetic} = ` : "";
      const isCounted = amounts[moment] === 1 || holder.startsWith(`${amounts[moment]} `);
      return sum === "" && isCounted ? holder : `${sum}${amounts[moment]} of ${holder}`;
    });
  const needed = used[moment];
  const fix = fixOf(budget, needed);
  const since = limit.since === undefined ? "" : `, since ${limit.since}`;
  const first = moment === "now" ? undefined : failures[0];
  return {
    code,
    // AKS counts the autoscaler's maximum and the surge when it checks a pod CIDR (sup: InsufficientSubnetSize), and nodes now for the rest.
    severity: (moment === "now" && kind !== "network") || (kind === "podCidr" && moment !== "maxUpgradeAll") ? "error" : "warning",
    when: kind === "podCidr" && moment !== "maxUpgradeAll" ? "create" : when,
    target: targets[kind].join("."),
    resource,
    message: `${name} has room for ${capacity} ${unit}; ${some(who)} ${verb} ${needed}${first === undefined ? "" : `: ${first.message}`}`,
    source: `${limit.source}${since}`,
    ...(fix === undefined ? {} : { fix }),
  };
}

function some(texts: readonly string[]): string {
  const shown = texts.slice(0, 6).join(", ");
  return texts.length <= 6 ? shown : `${shown} and ${texts.length - 6} more`;
}

/** The property that Azure would name, of the budget's resource. */
const targets: Readonly<Record<BudgetKind, readonly string[]>> = {
  subnet: ["addressPrefix"],
  network: ["addressSpace", "addressPrefixes"],
  podCidr: ["networkProfile", "podCidr"],
  podCidrIPv6: ["networkProfile", "podCidrs"],
  serviceCidr: ["networkProfile", "serviceCidr"],
  routes: ["routes"],
  clusterNodes: ["agentPoolProfiles"],
  poolNodes: ["count"],
  policyNodes: ["networkProfile", "networkPolicy"],
  outboundPorts: ["networkProfile", "loadBalancerProfile", "allocatedOutboundPorts"],
  balancerServices: ["loadBalancer"],
  balancerRules: ["loadBalancer"],
};

function fixOf({ kind }: Budget, needed: number): string | undefined {
  switch (kind) {
    case "subnet": {
      const length = smallestSubnet(needed);
      return length === undefined ? "use several subnets" : `use a /${length} or larger, fewer nodes, a lower maxPods, or a smaller surge`;
    }
    case "podCidr":
      return `use a /${smallestPodCidr(needed)} or larger, or fewer nodes`;
    case "podCidrIPv6":
      return `use a /${smallestIpv6PodCidr(needed)} or larger, a /${ipv6PodCidr.max}, or fewer nodes`;
    case "outboundPorts":
      return "allocate fewer ports per node, or more outbound addresses, or leave by a NAT gateway";
    case "routes":
    case "clusterNodes":
      return "use fewer nodes, or Azure CNI Overlay, which needs no routes";
    case "network":
      return "use Azure CNI Overlay, or more VNets";
    case "poolNodes":
      return "use another pool, or a smaller surge";
    case "policyNodes":
      return "use networkDataplane: cilium with networkPolicy: cilium";
    default:
      return undefined;
  }
}
