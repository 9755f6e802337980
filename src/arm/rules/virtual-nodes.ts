/** Rules of virtual nodes and of delegated subnets. AKS docs: virtual-nodes; Azure docs: subnet-delegation-overview. */

import { subnetTag } from "../names.ts";
import { networkOption, optionNames } from "../network-option.ts";
import type { Subnet } from "../resources.ts";
import { containerGroupsService, virtualNodeSubnet } from "../virtual-node.ts";
import type { Report } from "./problem.ts";
import { type AzureView, subnetLabel } from "./view.ts";

const source = "aks:virtual-nodes.md";

export function checkVirtualNodes(view: AzureView, report: Report): void {
  for (const cluster of view.clusters) {
    const pools = view.poolsOf(cluster);
    const nodeSubnet = pools[0]?.properties.vnetSubnetID ?? "";
    const id = virtualNodeSubnet(cluster, nodeSubnet);
    if (id === undefined) continue;
    const where = { id: cluster.id, property: ["addonProfiles", "aciConnectorLinux"], severity: "error" } as const;
    const option = networkOption(cluster.properties.networkProfile, pools);
    if (option !== "nodeSubnet") {
      report({
        ...where,
        code: "VirtualNodeRequiresAzureCNI",
        message: `virtual nodes need ${optionNames.nodeSubnet}; cluster ${cluster.name} has ${optionNames[option]}`,
        source,
        fix: "use networkPlugin: azure without networkPluginMode and pod subnets, or leave the add-on out",
      });
    }
    const name = cluster.properties.addonProfiles?.aciConnectorLinux?.config.SubnetName;
    const subnet = view.subnet(id);
    const property = [...where.property, "config", "SubnetName"];
    if (subnet === undefined) {
      // It is in the VNet of the nodes; where nobody knows that one, this is reported, and nothing can be said of the add-on's.
      if (view.subnet(nodeSubnet) === undefined) continue;
      report({
        ...where,
        property,
        code: "SubnetNotFound",
        value: name,
        message: `there is no subnet ${subnetLabel(id)}: the add-on's subnet is in the VNet of the cluster's nodes`,
        source,
        fix: "name a subnet of that VNet",
      });
    } else if (!isDelegated(subnet)) {
      report({
        ...where,
        property,
        code: "SubnetMissingRequiredDelegation",
        value: name,
        message: `subnet ${subnetLabel(id)} is not delegated to ${containerGroupsService}`,
        source: "aks:virtual-nodes-cli.md",
        fix: `give the subnet delegations: [${containerGroupsService}]`,
      });
    }
  }
  checkTenants(view, report);
}

/** Nothing but the service that a subnet is delegated to may be in it. */
function checkTenants(view: AzureView, report: Report): void {
  const tenant = (id: string, property: readonly (string | number)[], subnetId: string, what: string) => {
    const subnet = view.subnet(subnetId);
    if (subnet === undefined || !isDelegated(subnet)) return;
    report({
      id,
      property,
      severity: "error",
      code: "SubnetDelegationConflict",
      value: subnetLabel(subnetId),
      message: `subnet ${subnetLabel(subnetId)} is delegated to ${containerGroupsService}; ${what} cannot be in it`,
      source: "learn:azure/virtual-network/subnet-delegation-overview",
      fix: "choose another subnet",
    });
  };
  for (const pool of view.pools) {
    tenant(pool.id, ["vnetSubnetID"], pool.properties.vnetSubnetID, "nodes");
    if (pool.properties.podSubnetID !== undefined) tenant(pool.id, ["podSubnetID"], pool.properties.podSubnetID, "the pods of nodes");
  }
  for (const machine of view.machines) tenant(machine.id, ["subnet"], machine.tags?.[subnetTag] ?? "", "virtual machines");
}

function isDelegated(subnet: Subnet): boolean {
  return (subnet.properties.delegations ?? []).some(({ properties }) => properties.serviceName === containerGroupsService);
}
