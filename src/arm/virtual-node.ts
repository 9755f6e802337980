/** What the virtual-node add-on is called, and where it is. AKS docs: virtual-nodes, virtual-nodes-cli. */

import { armIdBeside, segmentAfter } from "./names.ts";
import type { ArmId, ManagedCluster } from "./resources.ts";

/** The node that stands for Azure Container Instances. */
export const virtualNodeName = "virtual-node-aci-linux";

/** Its subnet belongs to this service: nothing else may be in it. */
export const containerGroupsService = "Microsoft.ContainerInstance/containerGroups";

/** The add-on's subnet, by its name in the VNet of `poolSubnet`; `undefined` without the add-on. */
export function virtualNodeSubnet(cluster: ManagedCluster, poolSubnet: ArmId): ArmId | undefined {
  const addon = cluster.properties.addonProfiles?.aciConnectorLinux;
  if (addon?.enabled !== true) return undefined;
  const network = segmentAfter(poolSubnet, "virtualNetworks");
  return armIdBeside(poolSubnet, "Microsoft.Network/virtualNetworks/subnets", network, addon.config.SubnetName);
}
