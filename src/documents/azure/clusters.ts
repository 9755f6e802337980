/** Managed clusters and their agent pools, completed as AKS does. */

import { clusterDefaults } from "../../arm/limits.ts";
import { type AgentPool, type ArmId, type ManagedCluster, type NetworkProfile, outboundTypes } from "../../arm/resources.ts";
import { defaultNetworkOption } from "../../arm/rules/clusters.ts";
import type { PropertyPath } from "../../arm/rules/problem.ts";
import { words } from "../../kube/field.ts";
import type { Acceptor } from "./acceptor.ts";
import { aksNetwork, completedProfile, defaultMaxPods, dnsPrefixOf, type GivenProfile, podCidrIgnored } from "./defaults.ts";
import { publicReferences } from "./egress.ts";
import type { Estate, Item } from "./estate.ts";
import { locationOf } from "./networks.ts";
import type { Value } from "./value.ts";

const poolType = "microsoft.containerservice/managedclusters/agentpools";

const takesAddresses = "its addresses of the subnet are not counted, and its way to the API server is not modelled";

const ingressController =
  "its ingress controller and the load balancer's address in front of it are left out: name manifests of one beside this document";

export const managedCluster: Acceptor = {
  type: "Microsoft.ContainerService/managedClusters",
  inert: words(`
    identity identityProfile servicePrincipalProfile aadProfile linuxProfile windowsProfile enableRBAC disableLocalAccounts
    autoScalerProfile autoUpgradeProfile storageProfile securityProfile supportPlan oidcIssuerProfile workloadAutoScalerProfile
    azureMonitorProfile diskEncryptionSetID httpProxyConfig maxAgentPools currentKubernetesVersion fqdn privateFQDN azurePortalFQDN
    fqdnSubdomain privateLinkResources podIdentityProfile publicNetworkAccess resourceUID upgradeSettings metricsProfile nodeProvisioningProfile
    bootstrapProfile aiToolchainOperatorProfile nodeResourceGroupProfile status hostedSystemProfile schedulerProfile
    accessProfiles creationData enableNamespaceResources enablePodSecurityPolicy extensionAddons orchestratorProfile
    apiServerAccessProfile.authorizedIPRanges apiServerAccessProfile.privateDNSZone apiServerAccessProfile.enablePrivateClusterPublicFQDN
    apiServerAccessProfile.disableRunCommand networkProfile.dockerBridgeCidr networkProfile.kubeProxyConfig
    networkProfile.loadBalancerProfile.effectiveOutboundIPs networkProfile.natGatewayProfile.effectiveOutboundIPs
    networkProfile.loadBalancerProfile.backendPoolType networkProfile.podLinkLocalAccess networkProfile.peerVnets
    networkProfile.loadBalancerProfile.enableMultipleStandardLoadBalancers networkProfile.advancedNetworking.observability
    networkProfile.advancedNetworking.enabled networkProfile.advancedNetworking.performance networkProfile.monitoring
    addonProfiles.omsagent addonProfiles.omsAgent addonProfiles.azurepolicy addonProfiles.azurePolicy addonProfiles.kubeDashboard
    addonProfiles.azureKeyvaultSecretsProvider addonProfiles.ACCSGXDevicePlugin
    addonProfiles.openServiceMesh addonProfiles.aciConnectorLinux.identity addonProfiles.gitops addonProfiles.extensionManager
  `),
  notModelled: {
    "apiServerAccessProfile.enableVnetIntegration": ["API server VNet integration", takesAddresses],
    "apiServerAccessProfile.subnetId": ["the API server's subnet", takesAddresses],
    "addonProfiles.ingressApplicationGateway": [
      "the Application Gateway ingress controller",
      "traces to Ingress objects end at their Services; see ingress-nginx, or leave the add-on out",
    ],
    "addonProfiles.httpApplicationRouting": ["the HTTP application routing add-on", ingressController],
    ingressProfile: ["the application routing add-on", ingressController],
    serviceMeshProfile: ["a service mesh", "traces go from pod to pod without its proxies"],
    "networkProfile.advancedNetworking.security": [
      "Advanced Container Networking Services' own policies",
      "NetworkPolicy objects are modelled",
    ],
    "networkProfile.staticEgressGatewayProfile": ["a static egress gateway", "pods leave as without it"],
  },
  accept: (item, estate) => {
    const { properties } = item;
    const kubernetesVersion = properties.get("kubernetesVersion").text();
    const dnsPrefix = properties.get("dnsPrefix").text() ?? dnsPrefixOf(item.name);
    const group = estate.nodeGroupOf(item);
    const pools = estate.childrenOf(item, poolType);
    const networkProfile = networkProfileOf(item, estate, kubernetesVersion, pools);
    const isPrivate = properties.get("apiServerAccessProfile", "enablePrivateCluster").flag();
    const resource: ManagedCluster = {
      id: item.id,
      name: item.name,
      type: managedCluster.type as "Microsoft.ContainerService/managedClusters",
      ...locationOf(item),
      properties: {
        dnsPrefix,
        ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
        nodeResourceGroup: group,
        networkProfile,
        ...(isPrivate === undefined ? {} : { apiServerAccessProfile: { enablePrivateCluster: isPrivate } }),
        ...addonsOf(properties.get("addonProfiles", "aciConnectorLinux")),
      },
    };
    const power = properties.get("powerState", "code");
    if (power.text()?.toLowerCase() === "stopped") {
      power.report({ code: "Stopped", severity: "warning", message: `cluster ${item.name} is stopped; it is taken as if it ran` });
    }
    estate.add(
      resource,
      estate.origin(item, (property) =>
        property[0] === "agentPoolProfiles" ? ["properties", "agentPoolProfiles"] : ["properties", ...property],
      ),
    );
    const named = pools.map((pool) => pool.properties.get("vnetSubnetID")).find((subnet) => subnet.isPresent);
    const otherwise = named === undefined ? aksSubnet(item, estate, resource) : estate.find(named.text() ?? "")?.id;
    for (const [index, pool] of pools.entries()) {
      if (named !== undefined && !pool.properties.get("vnetSubnetID").isPresent) warnOfNoSubnet(pool, estate);
      acceptPool(pool, { estate, resource, isFirst: index === 0, otherwise });
    }
    if (pools.length === 0 && otherwise !== undefined) addPool(estate, resource, item, otherwise);
  },
};

function addonsOf(addon: Value): Pick<ManagedCluster["properties"], "addonProfiles"> {
  const enabled = addon.get("enabled").flag() ?? false;
  const SubnetName = addon.get("config", "SubnetName").text();
  return SubnetName === undefined ? {} : { addonProfiles: { aciConnectorLinux: { enabled, config: { SubnetName } } } };
}

function networkProfileOf(item: Item, estate: Estate, kubernetesVersion: string | undefined, pools: readonly Item[]): NetworkProfile {
  const profile = item.properties.get("networkProfile");
  const networkPlugin = profile.get("networkPlugin").choice(["kubenet", "azure", "none"]);
  const networkPluginMode = profile.get("networkPluginMode").choice(["overlay"]);
  const mode = networkPluginMode === undefined ? {} : { networkPluginMode };
  const option = networkPlugin === undefined ? defaultNetworkOption(kubernetesVersion, estate.rules) : { networkPlugin };
  const networkMode = profile.get("networkMode").choice(["bridge", "transparent"]);
  const networkPolicy = profile.get("networkPolicy").choice(["none", "azure", "calico", "cilium"]);
  const networkDataplane = profile.get("networkDataplane").choice(["azure", "cilium"]);
  const sku = profile.get("loadBalancerSku");
  if (sku.text()?.toLowerCase() === "basic") {
    sku.report({
      code: "Retired",
      severity: "warning",
      message: "Basic load balancers were retired on 2025-09-30: the cluster is taken with a Standard one",
      source: "aks:quotas-skus-regions.md",
      fix: "write standard",
    });
  }
  const given: GivenProfile = {
    ...option,
    ...mode,
    ...(networkMode === undefined ? {} : { networkMode }),
    ...(networkPolicy === undefined ? {} : { networkPolicy }),
    ...(networkDataplane === undefined ? {} : { networkDataplane }),
    ...familiesOf(profile),
    dnsServiceIP: profile.get("dnsServiceIP").text(),
    outboundType: outboundTypeOf(profile.get("outboundType")),
    loadBalancerProfile: loadBalancerProfileOf(profile.get("loadBalancerProfile"), estate),
    natGatewayProfile: natGatewayProfileOf(profile.get("natGatewayProfile")),
  };
  const ignored = podCidrIgnored(given);
  if (ignored !== undefined) profile.get("podCidr").report(ignored);
  return completedProfile(
    given,
    estate.rules,
    pools.some((pool) => pool.properties.get("podSubnetID").isPresent),
  );
}

/** Azure says every range twice, alone and in the list of both families; a cluster of IPv4 alone has no lists here. */
function familiesOf(profile: Value): Pick<GivenProfile, "ipFamilies" | "podCidr" | "podCidrs" | "serviceCidr" | "serviceCidrs"> {
  const lists = ["ipFamilies", "podCidrs", "serviceCidrs"].map((name) => profile.get(name).items());
  const [families = [], pods = [], services = []] = lists.map((list) => list.flatMap((item) => item.text() ?? []));
  const ipFamilies = lists[0]?.flatMap((item) => item.choice(["IPv4", "IPv6"]) ?? []) ?? [];
  const podCidr = profile.get("podCidr").text() ?? pods[0];
  const serviceCidr = profile.get("serviceCidr").text() ?? services[0];
  if (families.length < 2 && pods.length < 2 && services.length < 2) return { podCidr, serviceCidr };
  return {
    ...(ipFamilies.length === 0 ? {} : { ipFamilies }),
    podCidr,
    podCidrs: pods,
    serviceCidr,
    serviceCidrs: services,
  };
}

function outboundTypeOf(value: Value): NetworkProfile["outboundType"] | undefined {
  if (value.text()?.toLowerCase() !== "managednatgatewayv2") return value.choice(outboundTypes);
  value.report({ code: "NotModelled", severity: "warning", message: "outbound type managedNATGatewayV2 is taken as managedNATGateway" });
  return "managedNATGateway";
}

function loadBalancerProfileOf(profile: Value, estate: Estate): GivenProfile["loadBalancerProfile"] {
  const count = profile.get("managedOutboundIPs", "count").integer();
  const countIPv6 = profile.get("managedOutboundIPs", "countIPv6").integer();
  const addresses = profile.get("outboundIPs", "publicIPs");
  const prefixes = profile.get("outboundIPPrefixes", "publicIPPrefixes");
  const ports = profile.get("allocatedOutboundPorts").integer();
  const minutes = profile.get("idleTimeoutInMinutes").integer();
  const mode = profile.get("clusterServiceLoadBalancerHealthProbeMode").choice(["ServiceNodePort", "Shared"]);
  return {
    ...(count === undefined ? {} : { managedOutboundIPs: { count, ...(countIPv6 === undefined || countIPv6 === 0 ? {} : { countIPv6 }) } }),
    ...(addresses.isPresent ? { outboundIPs: { publicIPs: publicReferences(estate, addresses, "public IP address") } } : {}),
    ...(prefixes.isPresent ? { outboundIPPrefixes: { publicIPPrefixes: publicReferences(estate, prefixes, "public IP prefix") } } : {}),
    ...(ports === undefined ? {} : { allocatedOutboundPorts: ports }),
    ...(minutes === undefined ? {} : { idleTimeoutInMinutes: minutes }),
    ...(mode === undefined ? {} : { clusterServiceLoadBalancerHealthProbeMode: mode }),
  };
}

function natGatewayProfileOf(profile: Value): GivenProfile["natGatewayProfile"] {
  if (!profile.isPresent) return undefined;
  return {
    count: profile.get("managedOutboundIPProfile", "count").integer(),
    idleTimeoutInMinutes: profile.get("idleTimeoutInMinutes").integer(),
  };
}

/** The subnet that AKS made for the cluster, if a document has it; else the one that it would make. */
function aksSubnet(item: Item, estate: Estate, resource: ManagedCluster): ArmId {
  const { dnsPrefix, nodeResourceGroup: group, networkProfile } = resource.properties;
  const isDualStack = networkProfile.ipFamilies?.includes("IPv6") === true;
  const isMade = ({ type, placed }: Item) =>
    type === "microsoft.network/virtualnetworks/subnets" && /\/virtualnetworks\/aks-vnet-\d+\/subnets\/aks-subnet$/i.test(placed.id);
  const made = estate.inGroup(group).find(isMade);
  if (made !== undefined) return made.id;
  const [network, subnet] = aksNetwork({ group, dnsPrefix, location: item.placed.location ?? "", rules: estate.rules, isDualStack });
  if (!estate.takeNetworkName(network.name)) {
    estate.complain(item, ["properties", "dnsPrefix"], {
      code: "DuplicateName",
      value: dnsPrefix,
      message: `the VNet that AKS makes for cluster ${item.name} is called ${network.name}, after its DNS prefix ${dnsPrefix}; another VNet has that name`,
      fix: "give the cluster another dnsPrefix, or a subnet",
    });
  }
  const origin = estate.origin(item, () => ["properties", "agentPoolProfiles"]);
  estate.add(network, origin);
  estate.add(subnet, origin);
  return subnet.id;
}

export const agentPool: Acceptor = {
  type: "Microsoft.ContainerService/managedClusters/agentPools",
  inert: words(`
    vmSize osDiskSizeGB osDiskType osSKU kubeletDiskType workloadRuntime  scaleDownMode scaleSetPriority
    scaleSetEvictionPolicy spotMaxPrice orchestratorVersion currentOrchestratorVersion nodeImageVersion upgradeStrategy
    upgradeSettingsBlueGreen upgradeSettings.drainTimeoutInMinutes upgradeSettings.nodeSoakDurationInMinutes
    upgradeSettings.undrainableNodeBehavior upgradeSettings.minSurge upgradeSettings.maxBlockedNodes recentlyUsedVersions upgradeHistory powerState availabilityZones proximityPlacementGroupID hostGroupID
    kubeletConfig linuxOSConfig enableEncryptionAtHost enableUltraSSD enableFIPS gpuInstanceProfile gpuProfile creationData
    capacityReservationGroupID securityProfile storageProfile tags artifactStreamingProfile messageOfTheDay localDNSProfile networkProfile.nodePublicIPTags
    nodeInitializationTaints nodeCustomizationProfile status isArmNodeAvailable servicePrincipalProfile storageProfile dnsPrefix fqdn vnetCidrs
    virtualMachineNodesStatus preparedImageSpecificationProfile nodeOSUpgradeChannel resourceGroup
  `),
  notModelled: {
    enableNodePublicIP: ["a public address of each node", "nodes leave as without it"],
    nodePublicIPPrefixID: ["a public address of each node", "nodes leave as without it"],
    "networkProfile.allowedHostPorts": ["allowedHostPorts", "AKS's security group is as without it"],
    "networkProfile.applicationSecurityGroups": [
      "membership of nodes in application security groups",
      "rules that name them do not see nodes",
    ],
    virtualMachinesProfile: ["a pool of single machines", "it is taken as a scale set of count nodes"],
    gatewayProfile: ["a gateway pool", "it is taken as a pool of plain nodes"],
  },
  accept: (item, estate) => {
    const { id } = item.placed;
    if (estate.find(id.slice(0, id.toLowerCase().lastIndexOf("/agentpools/"))) !== undefined) return;
    estate.complain(item, [], {
      code: "ParentResourceNotFound",
      message: `agent pool ${item.name} is of a cluster that no document describes`,
      fix: "add the file that has the cluster, such as the output of `az aks show`",
    });
  },
};

/** The documents do not say what AKS does then; all pools of a cluster are in one VNet. */
function warnOfNoSubnet(pool: Item, estate: Estate): void {
  estate.complain(pool, ["properties", "vnetSubnetID"], {
    code: "NoSubnet",
    severity: "warning",
    message: `pool ${pool.name} names no subnet, and another pool of the cluster does: it is taken as in the same`,
    source: "aks:node-pool-unique-subnet.md",
    fix: "name its subnet",
  });
}

type PoolContext = {
  readonly estate: Estate;
  readonly resource: ManagedCluster;
  readonly isFirst: boolean;
  /** Of a pool that names no subnet: that of the others, or AKS's own. */
  readonly otherwise: ArmId | undefined;
};

function acceptPool(item: Item, { estate, resource, isFirst, otherwise }: PoolContext): void {
  const { properties } = item;
  // The command line calls it so, since its own form has a `type` beside it.
  const [plain, renamed] = [properties.get("type"), properties.get("typePropertiesType")];
  const type = renamed.isPresent ? renamed : plain;
  if (type.text()?.toLowerCase() === "availabilityset") {
    type.report({
      code: "NotModelled",
      severity: "warning",
      message: `pool ${item.name} is an availability set; its nodes are taken as those of a scale set`,
    });
  }
  const mode = properties.get("mode");
  if (mode.text()?.toLowerCase() === "gateway") {
    mode.report({ code: "NotModelled", severity: "warning", message: `pool ${item.name} is a gateway pool; it is taken as a User pool` });
  }
  const podSubnet = properties.get("podSubnetID").isPresent
    ? estate.refer(properties.get("podSubnetID"), "pod subnet", true)?.id
    : undefined;
  const own = properties.get("vnetSubnetID");
  const vnetSubnetID = own.isPresent ? estate.refer(own, "subnet", true)?.id : otherwise;
  const podIPAllocationMode = properties.get("podIPAllocationMode").choice(["DynamicIndividual", "StaticBlock"]);
  const disableOutboundNat = properties.get("windowsProfile", "disableOutboundNat").flag();
  const nodeLabels = properties.get("nodeLabels").texts();
  const taints = properties
    .get("nodeTaints")
    .items()
    .flatMap((taint) => taint.text() ?? []);
  const pool: AgentPool = {
    id: `${resource.id}/agentPools/${item.name}`,
    name: item.name,
    type: "Microsoft.ContainerService/managedClusters/agentPools",
    properties: {
      count: properties.get("count").integer() ?? clusterDefaults.nodeCount,
      maxPods: properties.get("maxPods").integer() ?? defaultMaxPods(resource.properties.networkProfile, podSubnet),
      vnetSubnetID: vnetSubnetID ?? unknownSubnet,
      ...(podSubnet === undefined ? {} : { podSubnetID: podSubnet }),
      ...(podSubnet === undefined || podIPAllocationMode === undefined ? {} : { podIPAllocationMode }),
      osType: properties.get("osType").choice(["Linux", "Windows"]) ?? "Linux",
      mode: mode.text()?.toLowerCase() === "gateway" ? "User" : (mode.choice(["System", "User"]) ?? (isFirst ? "System" : "User")),
      ...scalingOf(properties),
      ...(disableOutboundNat === undefined ? {} : { windowsProfile: { disableOutboundNat } }),
      ...(nodeLabels === undefined || Object.keys(nodeLabels).length === 0 ? {} : { nodeLabels }),
      ...(taints.length === 0 ? {} : { nodeTaints: taints }),
    },
  };
  estate.add(pool, estate.origin(item));
}

function scalingOf(properties: Value): Partial<AgentPool["properties"]> {
  const enableAutoScaling = properties.get("enableAutoScaling").flag();
  const minCount = properties.get("minCount").integer();
  const maxCount = properties.get("maxCount").integer();
  const maxSurge = properties.get("upgradeSettings", "maxSurge").text();
  const maxUnavailable = properties.get("upgradeSettings", "maxUnavailable").text();
  const upgradeSettings = { ...(maxSurge === undefined ? {} : { maxSurge }), ...(maxUnavailable === undefined ? {} : { maxUnavailable }) };
  return {
    ...(enableAutoScaling === undefined ? {} : { enableAutoScaling }),
    ...(minCount === undefined ? {} : { minCount }),
    ...(maxCount === undefined ? {} : { maxCount }),
    ...(Object.keys(upgradeSettings).length === 0 ? {} : { upgradeSettings }),
  };
}

/** Of a pool whose subnet is unknown, which has been reported: no rule finds it. */
const unknownSubnet = "/unknown/subnets/unknown";

/** A cluster without a pool gets one, as from the command line. */
function addPool(estate: Estate, resource: ManagedCluster, item: Item, vnetSubnetID: ArmId): void {
  const name = clusterDefaults.poolName;
  const properties: AgentPool["properties"] = {
    count: clusterDefaults.nodeCount,
    maxPods: defaultMaxPods(resource.properties.networkProfile, undefined),
    vnetSubnetID,
    osType: "Linux",
    mode: "System",
  };
  const rename = (_property: PropertyPath) => ["properties", "agentPoolProfiles"];
  estate.add(
    { id: `${resource.id}/agentPools/${name}`, name, type: "Microsoft.ContainerService/managedClusters/agentPools", properties },
    estate.origin(item, rename),
  );
}
