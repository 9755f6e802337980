/**
 * Azure resources as documents have them to those that controllers and front ends understand.
 *
 * Templates, exports and Terraform plans come to this one place: what a resource means does not depend on how it was written down. Nothing is skipped
 * in silence: what has no effect on packets is listed as kept, and what has one and is not modelled is named.
 */

import type { RuleSet } from "../../arm/limits.ts";
import type { AzureResource } from "../../arm/resources.ts";
import type { Complain, Origin } from "../lab/expand.ts";
import type { Kept } from "../problem.ts";
import { type Acceptor, nameUnread } from "./acceptor.ts";
import { agentPool, managedCluster } from "./clusters.ts";
import { natGateway, publicAddress, publicPrefix } from "./egress.ts";
import { Estate, type Item } from "./estate.ts";
import { azureFirewall, firewallPolicy, ipGroup, ruleCollectionGroup } from "./firewalls.ts";
import { connection, localNetworkGateway, virtualNetworkGateway } from "./gateways.ts";
import { networkInterface, privateEndpoint, virtualMachine } from "./machines.ts";
import {
  applicationSecurityGroup,
  isNodeRoute,
  peering,
  route,
  routeTable,
  securityGroup,
  securityRule,
  subnet,
  virtualNetwork,
} from "./networks.ts";
import type { PlacedResource } from "./placed.ts";
import { treatmentOf } from "./treatments.ts";

/** In this order: owners of network interfaces before the interfaces. */
const acceptors: readonly Acceptor[] = [
  virtualNetwork,
  subnet,
  peering,
  routeTable,
  route,
  applicationSecurityGroup,
  securityGroup,
  securityRule,
  publicPrefix,
  publicAddress,
  natGateway,
  ipGroup,
  firewallPolicy,
  ruleCollectionGroup,
  azureFirewall,
  virtualMachine,
  privateEndpoint,
  networkInterface,
  virtualNetworkGateway,
  localNetworkGateway,
  connection,
  managedCluster,
  agentPool,
];
const byType = new Map(acceptors.map((acceptor) => [acceptor.type.toLowerCase(), acceptor]));

export type Accepted = {
  readonly resources: readonly AzureResource[];
  /** By id in lower case. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly kept: readonly Kept[];
};

/** `rules`: of which day AKS's defaults are. */
export function acceptAzure(placed: readonly PlacedResource[], rules: RuleSet, complain: Complain): Accepted {
  const estate = new Estate(placed, rules, complain);
  const accepted = new Map<string, Item[]>();
  for (const item of estate.items) {
    if (isAksOwn(item, estate)) keepAksOwn(item, estate);
    else if (byType.has(item.type)) {
      const all = accepted.get(item.type);
      if (all === undefined) accepted.set(item.type, [item]);
      else all.push(item);
    } else treat(item, estate);
  }
  for (const acceptor of acceptors) for (const item of accepted.get(acceptor.type.toLowerCase()) ?? []) acceptor.accept(item, estate);
  for (const acceptor of acceptors) for (const item of accepted.get(acceptor.type.toLowerCase()) ?? []) nameUnread(item, estate, acceptor);
  return estate;
}

/** AKS makes load balancers, route tables, security groups, addresses and interfaces for a cluster; its VNet is taken as it is. */
function isAksOwn(item: Item, estate: Estate): boolean {
  return (
    !item.type.startsWith("microsoft.network/virtualnetworks") &&
    item.type !== "microsoft.containerservice/managedclusters" &&
    estate.isMadeByAks(item)
  );
}

/** What somebody put into a table or a group of AKS's is not made again. */
function keepAksOwn(item: Item, estate: Estate): void {
  const { name } = item.placed;
  const isForeign =
    (item.type === route.type.toLowerCase() && !isNodeRoute(name)) ||
    (item.type === securityRule.type.toLowerCase() && !balancerRule.test(name));
  if (!isForeign) {
    estate.keep(item, "AKS's own: the emulated AKS makes what it makes");
    return;
  }
  estate.complain(item, [], {
    code: "NotModelled",
    severity: "warning",
    value: name,
    message: `${name} was put into what AKS made, which the emulated AKS makes anew without it`,
    fix: "put it into a route table or a security group of one's own, on the subnet",
  });
}

/** cloud-provider-azure: the group's own rules, and the older ones of a Service, called after its uid. */
const balancerRule = /^(k8s-azure-|a[0-9a-f]{31}-)/i;

function treat(item: Item, estate: Estate): void {
  const treatment = treatmentOf(item.type);
  const { name, type } = item.placed;
  switch (treatment.kind) {
    case "kept":
      estate.keep(item, treatment.why);
      return;
    case "not-modelled":
      estate.complain(item, [], {
        code: "NotModelled",
        severity: "warning",
        value: type,
        message: `${name}: ${treatment.what} is not modelled: the lab is as if it were not there`,
        fix: treatment.fix,
      });
      return;
    case "unknown":
      estate.complain(item, [], {
        code: "UnknownType",
        severity: "warning",
        value: type,
        message: `${name} is of type ${type}, which is not known here: if it changes where packets go, Drydock does not know`,
        fix: "leave it out if it does not matter",
      });
      return;
    default:
      treatment satisfies never;
  }
}
