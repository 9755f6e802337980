/** What a lab file may say. Property names are ARM's own where ARM has them. The published JSON Schema is made from this. */

import {
  clusterDefaults,
  endpointServices,
  kubenetNodes,
  limits,
  managedNetwork,
  maxPodsDefault,
  maxPodsRange,
  networkModeDefault,
  overlayDefaultVersion,
  provisioningRoutes,
  ranges,
} from "../../arm/limits.ts";
import { defaultLocation } from "../../arm/names.ts";
import { containerGroupsService } from "../../arm/virtual-node.ts";
import { parsePortSpec } from "../../net/ports.ts";
import {
  choice,
  flag,
  integer,
  type JsonSchema,
  list,
  object,
  optional,
  required,
  type Shape,
  text,
  textMap,
  withDefault,
} from "../shape.ts";
import { anyCidr, clusterFamilies, internetFamilies, machineFamilies, subnetPrefixes } from "./dual-stack.ts";
import { egressShapes, natGatewayProfile, outboundType, ownOutboundAddresses } from "./egress.ts";
import { faultShape } from "./faults.ts";
import { firewallShape } from "./firewall.ts";
import { loadBalancerShape } from "./load-balancers.ts";
import { scaling } from "./scaling.ts";
import { securityGroupShape } from "./security-groups.ts";

// Patterns without a rule are for editors: Azure's rules say more about a wrong one.
const cidr = text({ what: "prefix", pattern: /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, examples: ["10.240.0.0/16"] });
const anyAddress = { what: "IPv4 address", pattern: /^\d{1,3}(\.\d{1,3}){3}$/ } as const;
const address = text({ ...anyAddress, examples: ["10.240.4.10"] });

/** Names become parts of ids, host names and paths, so they have neither slashes nor colons nor anything that a shell would see. */
function name(what: string, example: string): Shape<string> {
  return text({
    what: `name for ${what}`,
    pattern: /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?$/,
    rule: "1 to 63 letters, digits, '.', '_' and '-', the first a letter or a digit, the last one of them or '_'",
    source: "learn:azure/azure-resource-manager/management/resource-name-rules",
    examples: [example],
  });
}

/** Names that are DNS labels here, since they become host names and folders. */
function plainName(what: string, example: string): Shape<string> {
  return text({
    what: `name for ${what}`,
    pattern: /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/,
    rule: "1 to 40 lower-case letters, digits and '-', the first and the last a letter or a digit",
    examples: [example],
  });
}

const subnetReference = text({
  what: "subnet: VNET/SUBNET",
  pattern: /^[^/]+\/[^/]+$/,
  rule: "the VNet's name, a slash, the subnet's name",
  examples: ["hub/plain"],
});

const listenItem: Shape<string> = {
  schema: { type: ["string", "integer"], pattern: "^[0-9]{1,5}(/(tcp|udp))?$", examples: ["5432/tcp", "53/udp"] },
  read: (tree, path, complain) => {
    const words = tree.kind === "scalar" ? tree.text : undefined;
    const spec = words === undefined ? undefined : parsePortSpec(words);
    if (spec !== undefined) return `${spec.port}/${spec.protocol}`;
    const isSctp = words !== undefined && /\/sctp$/i.test(words);
    complain(path, {
      code: isSctp ? "NotModelled" : "InvalidValue",
      ...(tree.kind === "scalar" ? { value: tree.value } : {}),
      message: isSctp ? "SCTP is not modelled yet" : "what a machine listens on is a port from 1 to 65535 and tcp or udp",
      fix: "write it like 5432/tcp, 53/udp or 80",
    });
    return undefined;
  },
};
const listen = list(listenItem, { what: "listen" });

const endpointService = choice(endpointServices.names, { what: "service with endpoints", source: endpointServices.source });

const subnet = object(
  {
    name: required(name("a subnet", "plain"), "Name of the subnet."),
    prefix: optional(
      cidr,
      `Its part of the VNet's address space; /${limits.smallestSubnet.value} is the smallest. Azure keeps 5 addresses of it.`,
    ),
    prefixes: subnetPrefixes,
    serviceEndpoints: optional(
      list(endpointService, { what: "serviceEndpoints" }),
      "Azure services that the subnet reaches directly, under private addresses: those hosts of `internet` that name one of them as service.",
    ),
    delegations: optional(
      list(choice([containerGroupsService], { what: "service of a delegation", source: "aks:virtual-nodes.md" }), { what: "delegations" }),
      "The service that alone may be in the subnet: that of a virtual node's pods.",
    ),
  },
  {
    what: "a subnet",
    synonyms: { addressPrefix: "prefix", addressPrefixes: "prefixes", cidr: "prefix" },
    notModelled: {
      networkSecurityGroup: "name the subnet in securityGroups[].subnets",
      natGateway: "name the subnet in natGateways[].subnets",
      privateEndpointNetworkPolicies: "leave it out: Disabled, as by default",
      defaultOutboundAccess: "leave it out",
      routeTable: "name the subnet in routeTables[].subnets",
    },
  },
);

const peering = object(
  {
    network: required(text({ what: "name of a VNet", examples: ["hub"] }), "The remote VNet. It needs a peering of its own to this one."),
    name: optional(name("a peering", "spoke-to-hub"), "Name of the peering. Default: VNET-to-VNET."),
    allowVirtualNetworkAccess: withDefault(
      flag("allowVirtualNetworkAccess"),
      true,
      "False on either side: the machines of the two VNets do not reach one another.",
    ),
    allowForwardedTraffic: withDefault(
      flag("allowForwardedTraffic"),
      false,
      "True: takes packets that a machine of the remote VNet forwards, whose source is not in the remote address space.",
    ),
    allowGatewayTransit: withDefault(flag("allowGatewayTransit"), false, "True: the remote VNet may use this VNet's gateway."),
    useRemoteGateways: withDefault(
      flag("useRemoteGateways"),
      false,
      "True: this VNet uses the remote one's gateway; the remote side must have allowGatewayTransit.",
    ),
  },
  {
    what: "a peering",
    synonyms: { remoteVirtualNetwork: "network", vnet: "network", to: "network" },
    notModelled: {
      peerCompleteVnets: "leave it out: whole VNets are peered",
      localSubnetNames: "leave them out: whole VNets are peered",
      remoteSubnetNames: "leave them out: whole VNets are peered",
      doNotVerifyRemoteGateways: "leave it out",
    },
  },
);

const network = object(
  {
    name: required(name("a VNet", "hub"), "Name of the virtual network."),
    addressSpace: required(
      list(anyCidr, { what: "addressSpace", least: 1 }),
      "The prefixes of the virtual network: IPv4, and beside it IPv6 for dual stack.",
    ),
    subnets: withDefault(list(subnet, { what: "subnets" }), [], "Its subnets."),
    peerings: withDefault(
      list(peering, { what: "peerings" }),
      [],
      "Its side of peerings with other VNets. Packets pass when the other VNet has its side too; they go no further than that VNet.",
    ),
  },
  {
    what: "a network",
    synonyms: { addressPrefixes: "addressSpace", prefixes: "addressSpace", prefix: "addressSpace", virtualNetworkPeerings: "peerings" },
    notModelled: {
      dhcpOptions: "leave it out",
      dnsServers: "leave them out",
      enableDdosProtection: "leave it out",
    },
  },
);

const machine = object(
  {
    name: required(name("a machine", "db"), "Name of the virtual machine; its end of a journey is vm/NAME."),
    subnet: required(subnetReference, "The subnet that it is in, as VNET/SUBNET."),
    address: optional(address, "A static private address. Without it: the lowest free one of the subnet."),
    publicIPAddress: optional(
      text({ what: "name of a public IP address", examples: ["db-public"] }),
      "Its own public address, by name: it leaves as this address, and is reached by it.",
    ),
    ...machineFamilies,
    listen: withDefault(listen, [], "What it listens on."),
    enableIPForwarding: withDefault(
      flag("enableIPForwarding"),
      false,
      "True: its network interface sends and takes packets under any address, and the machine forwards them, as a network virtual appliance does.",
    ),
    firewall: optional(firewallShape(name), "Makes it a stateful firewall for what it forwards."),
    applicationSecurityGroups: withDefault(
      list(name("an application security group", "web"), { what: "applicationSecurityGroups" }),
      [],
      "The application security groups that its network interface is in; security rules may name them.",
    ),
  },
  {
    what: "a machine",
    synonyms: { privateIPAddress: "address", ip: "address", ports: "listen" },
    notModelled: {
      networkSecurityGroup: "name the machine in securityGroups[].machines",
    },
  },
);

const privateEndpoint = object(
  {
    name: required(name("a private endpoint", "storage"), "Name of the private endpoint; its end of a journey is endpoint/NAME."),
    subnet: required(subnetReference, "The subnet that has its network interface, as VNET/SUBNET."),
    address: optional(address, "A static private address. Without it: the lowest free one of the subnet."),
    listen: withDefault(listen, [], "What the service behind it listens on."),
  },
  {
    what: "a private endpoint",
    synonyms: { privateIPAddress: "address", ip: "address", ports: "listen" },
    notModelled: {
      privateLinkServiceConnections: "leave them out: the endpoint stands for the service",
      applicationSecurityGroups: "leave them out",
    },
  },
);

const fixedMachine = (what: string, example: string, ends: string) =>
  object(
    {
      name: required(name(what, "erp"), `Name of the machine; its end of a journey is ${ends}.`),
      address: required(text({ ...anyAddress, examples: [example] }), "Its address."),
      listen: withDefault(listen, [], "What it listens on."),
    },
    { what, synonyms: { ip: "address", ports: "listen" } },
  );

const internetMachine = object(
  {
    name: required(name("an internet host", "partner"), "Name of the host; its end of a journey is internet/NAME."),
    address: required(text({ ...anyAddress, examples: ["203.0.113.10"] }), "Its public address."),
    ...internetFamilies,
    listen: withDefault(listen, [], "What it listens on."),
    service: optional(endpointService, "The Azure service that it stands for: subnets with an endpoint for the service reach it directly."),
  },
  { what: "an internet host", synonyms: { ip: "address", ports: "listen" } },
);

const site = object(
  {
    name: required(name("a site", "hq"), "Name of the on-premises site."),
    network: required(text({ what: "name of a VNet", examples: ["hub"] }), "The VNet whose gateway the site is behind."),
    prefixes: required(list(cidr, { what: "prefixes", least: 1 }), "The site's address space, which the gateway announces to the VNet."),
    machines: withDefault(
      list(fixedMachine("a machine of a site", "192.168.10.5", "site/SITE/NAME"), { what: "machines" }),
      [],
      "Machines of the site, each at an address of its prefixes.",
    ),
  },
  {
    what: "a site",
    synonyms: { addressSpace: "prefixes", vnet: "network" },
    notModelled: { bgpSettings: "leave it out: prefixes are announced as they are" },
  },
);

const nextHopTypes = ["VirtualAppliance", "VnetLocal", "Internet", "VirtualNetworkGateway", "None"] as const;

const route = object(
  {
    name: required(name("a route", "to-firewall"), "Name of the route."),
    addressPrefix: required(anyCidr, "Destinations of the route."),
    nextHopType: required(
      choice(nextHopTypes, { what: "next hop type", source: "learn:azure/virtual-network/virtual-networks-udr-overview" }),
      "Where it leads.",
    ),
    nextHopIpAddress: optional(address, "The appliance's private address; with VirtualAppliance only."),
  },
  { what: "a route", synonyms: { prefix: "addressPrefix", nextHop: "nextHopIpAddress" } },
);

const routeTable = object(
  {
    name: required(name("a route table", "spoke"), "Name of the route table."),
    subnets: withDefault(list(subnetReference, { what: "subnets" }), [], "The subnets that it is attached to, each as VNET/SUBNET."),
    routes: withDefault(list(route, { what: "routes" }), [], "User-defined routes. A kubenet cluster on the subnet adds its own to them."),
    disableBgpRoutePropagation: withDefault(
      flag("disableBgpRoutePropagation"),
      false,
      "True: the gateway's routes do not reach these subnets.",
    ),
  },
  { what: "a route table" },
);

const podIPAllocationMode = choice(["DynamicIndividual", "StaticBlock"], {
  what: "allocation mode",
  source: "aks:concepts-network-azure-cni-pod-subnet.md",
});

const pool = object(
  {
    name: optional(
      text({ what: "name for a node pool", pattern: /^[a-z][a-z0-9]{0,11}$/, examples: ["np1"] }),
      `Name of the pool: at most ${limits.poolNameLength.value} lower-case letters and digits. Default: ${clusterDefaults.poolName}, for the second nodepool2.`,
    ),
    count: withDefault(integer({ what: "count", ...schemaRange(ranges.poolCount) }), clusterDefaults.nodeCount, "Number of nodes."),
    ...scaling,
    maxPods: optional(
      integer({ what: "maxPods", min: maxPodsRange.current.nodeSubnet.min, max: maxPodsRange.current.nodeSubnet.max }),
      `Pods that a node runs at most. Default: ${maxPodsDefault.kubenet.value} with kubenet, ${maxPodsDefault.overlay.value} with Azure CNI Overlay, ${maxPodsDefault.podSubnet.value} with pod subnet, ${maxPodsDefault.nodeSubnet.value} with node subnet, where a node reserves as many addresses. At most ${maxPodsRange.lesson.kubenet.max} with kubenet under rules: lesson. Not changeable later.`,
    ),
    subnet: optional(subnetReference, "The pool's own subnet, in the cluster's VNet. Default: the cluster's."),
    podSubnet: optional(subnetReference, "Azure CNI: the subnet of the pool's pods, in the cluster's VNet. Default: the cluster's."),
    podIPAllocationMode: optional(podIPAllocationMode, "How nodes take addresses of the pod subnet. Default: the cluster's."),
    mode: optional(
      choice(["System", "User"], { what: "mode of a pool", notModelled: { Gateway: "use User" }, source: "aks:use-system-pools.md" }),
      "System pools come first; a cluster needs one. Default: System for the first pool, User for the others.",
    ),
    osType: withDefault(
      choice(["Linux", "Windows"], { what: "osType" }),
      "Linux",
      "Operating system of the nodes. Windows needs Azure CNI; such nodes are emulated on Linux.",
    ),
    windowsProfile: optional(
      object(
        {
          disableOutboundNat: withDefault(
            flag("disableOutboundNat"),
            false,
            "True: the pods leave under their own addresses. Needs another outboundType than loadBalancer.",
          ),
        },
        { what: "a Windows profile" },
      ),
      "Of a Windows pool only.",
    ),
    nodeLabels: optional(textMap("nodeLabels"), "Labels that the pool's nodes have."),
    nodeTaints: optional(
      list(
        text({
          what: "taint",
          pattern: /^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?(=[-A-Za-z0-9_.]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$/,
          rule: "key=value:effect, with effect NoSchedule, PreferNoSchedule or NoExecute",
          examples: ["sku=gpu:NoSchedule"],
        }),
        { what: "nodeTaints" },
      ),
      "Taints that the pool's nodes have.",
    ),
  },
  {
    what: "a pool",
    synonyms: {
      vnetSubnetID: "subnet",
      podSubnetID: "podSubnet",
      nodeCount: "count",
      replicas: "count",
      os: "osType",
      maxPodsPerNode: "maxPods",
      taints: "nodeTaints",
      labels: "nodeLabels",
    },
    notModelled: {
      enableNodePublicIP: "leave it out: nodes have no public addresses",
      nodePublicIPPrefixID: "leave it out: nodes have no public addresses",
      networkProfile: "leave it out",
      availabilityZones: "leave them out: they change no packet's way here",
      type: "leave it out: pools are scale sets",
      vmSize: "leave it out: it changes no packet's way here",
    },
  },
);

const loadBalancerProfile = object(
  {
    managedOutboundIPs: optional(
      object(
        {
          count: withDefault(
            integer({ what: "count", ...schemaRange(ranges.managedOutboundIPs) }),
            clusterDefaults.managedOutboundIPs,
            "Public addresses of the outbound rule.",
          ),
          countIPv6: optional(
            integer({ what: "countIPv6", min: 0, max: ranges.managedOutboundIPs.max }),
            "Of a dual-stack cluster: public IPv6 addresses of its outbound rule for IPv6. Default: 1.",
          ),
        },
        { what: "managedOutboundIPs" },
      ),
      "Public addresses that AKS makes for outbound traffic.",
    ),
    ...ownOutboundAddresses,
    allocatedOutboundPorts: withDefault(
      integer({ what: "allocatedOutboundPorts", ...schemaRange(ranges.allocatedOutboundPorts) }),
      clusterDefaults.allocatedOutboundPorts,
      "Source ports per node, a multiple of 8; 0: by the number of nodes, as Azure does.",
    ),
    idleTimeoutInMinutes: withDefault(
      integer({ what: "idleTimeoutInMinutes", ...schemaRange(ranges.outboundIdleTimeout) }),
      clusterDefaults.outboundIdleTimeoutMinutes,
      "Minutes after which an idle outbound flow is forgotten.",
    ),
    clusterServiceLoadBalancerHealthProbeMode: optional(
      choice(["ServiceNodePort", "Shared"], { what: "health probe mode", source: "aks:shared-health-probes.md" }),
      "ServiceNodePort: a probe for each port of a Service of policy Cluster. Shared: one for all of them, which asks the node. Default: ServiceNodePort.",
    ),
  },
  {
    what: "a load balancer profile",
    notModelled: {
      enableMultipleStandardLoadBalancers: "leave it out",
      backendPoolType: "leave it out: the pool holds IP configurations",
    },
  },
);

const apiServerAccessProfile = object(
  {
    enablePrivateCluster: withDefault(
      flag("enablePrivateCluster"),
      false,
      "True: the API server has a private endpoint in the first pool's subnet, endpoint/kube-apiserver-CLUSTER, which takes one address of it.",
    ),
  },
  {
    what: "an API server access profile",
    notModelled: {
      authorizedIPRanges: "leave them out: the public API server is outside the lab",
      enableVnetIntegration: "leave it out",
      subnetId: "leave it out",
      privateDNSZone: "leave it out: there is no DNS in a lab",
      enablePrivateClusterPublicFQDN: "leave it out: there is no DNS in a lab",
    },
  },
);

const cluster = object(
  {
    name: required(
      text({ what: "name for a cluster", pattern: /^[a-zA-Z0-9]([-_a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/, examples: ["shop"] }),
      "Name of the cluster: 1 to 63 letters, digits, - and _.",
    ),
    networkPlugin: optional(
      choice(["kubenet", "azure", "none"], { what: "network plugin", source: "aks:concepts-network-cni-overview.md" }),
      `The network option. Without it a cluster gets kubenet below Kubernetes ${overlayDefaultVersion} and Azure CNI Overlay from then on. Not changeable later.`,
    ),
    networkPluginMode: optional(
      choice(["overlay"], { what: "network plugin mode", source: "aks:azure-cni-overlay.md" }),
      "overlay: pods have an address space of their own, which the fabric knows without routes. Without it pods of Azure CNI have addresses of the nodes' subnet.",
    ),
    networkMode: optional(
      choice(["bridge", "transparent"], { what: "network mode" }),
      `How Azure CNI joins pods to the node. Default: ${networkModeDefault.current.value}, under rules: lesson ${networkModeDefault.lesson.value}.`,
    ),
    networkPolicy: optional(
      choice(["none", "azure", "calico", "cilium"], { what: "network policy engine", source: "aks:use-network-policies.md" }),
      "Who enforces NetworkPolicy objects: Azure's Network Policy Manager (azure), Calico or Cilium. Default: none, and then they have no effect; with networkDataplane: cilium it is cilium. kubenet has Calico only.",
    ),
    networkDataplane: optional(
      choice(["azure", "cilium"], { what: "network data plane", source: "aks:azure-cni-powered-by-cilium.md" }),
      "The data plane of Azure CNI; cilium enforces network policies, too. Default: azure.",
    ),
    podCidr: optional(
      cidr,
      `Address space for pods with kubenet and Azure CNI Overlay, a /${limits.podCidrPerNode.value} for each node. Default: ${clusterDefaults.podCidr}. Not changeable later.`,
    ),
    serviceCidr: withDefault(
      cidr,
      clusterDefaults.serviceCidr,
      `Addresses of Services; no other network sees them. Smaller than a /${limits.largestServiceCidr.value}. Not changeable later.`,
    ),
    ...clusterFamilies,
    dnsServiceIP: optional(address, `Address of the DNS Service. Default: the ${clusterDefaults.dnsServiceIndex}th of serviceCidr.`),
    outboundType,
    loadBalancerSku: withDefault(
      choice(["standard"], {
        what: "load balancer SKU",
        source: "aks:quotas-skus-regions.md: Basic was retired on 2025-09-30",
        notModelled: { basic: "use standard", Basic: "use standard", Standard: "write standard" },
      }),
      "standard",
      "The load balancer's SKU.",
    ),
    apiServerAccessProfile: optional(apiServerAccessProfile, "How the API server is reached."),
    loadBalancerProfile: optional(loadBalancerProfile, "The cluster's outbound rule."),
    natGatewayProfile: optional(natGatewayProfile, "The NAT gateway that AKS makes, with outboundType: managedNATGateway."),
    subnet: optional(
      subnetReference,
      `The nodes' subnet, as VNET/SUBNET. Without it AKS makes a VNet for the cluster: ${managedNetwork.current.addressPrefix} with the subnet ${managedNetwork.current.subnetPrefix}.`,
    ),
    podSubnet: optional(
      subnetReference,
      "Azure CNI: the pods' own subnet, as VNET/SUBNET, with nothing else in it. Without it pods have addresses of the nodes' subnet.",
    ),
    podIPAllocationMode: optional(
      podIPAllocationMode,
      `How nodes take addresses of the pod subnet: DynamicIndividual (the default) in batches of ${limits.podSubnetBatch.value}, StaticBlock as blocks of ${limits.podSubnetBatch.value} when they are made. One mode per subnet.`,
    ),
    kubernetesVersion: optional(
      text({
        what: "Kubernetes version",
        pattern: /^1\.\d{1,2}(\.\d{1,3})?$/,
        rule: "major and minor number, with or without patch",
        examples: ["1.33", "1.29.4"],
        numbersToo: true,
      }),
      "It decides about the network option when networkPlugin is left out.",
    ),
    dnsPrefix: optional(
      text({ what: "DNS prefix" }),
      "The 8 digits in the names of what AKS makes depend on it. Default: the cluster's name.",
    ),
    nodeResourceGroup: optional(
      text({
        what: "name for a resource group",
        pattern: /^[-\w.()]{0,89}[-\w()]$/,
        rule: "1 to 90 letters, digits, '-', '_', '.', '(' and ')', the last not '.'",
        examples: ["shop-nodes"],
      }),
      "The group of what AKS makes. Default: MC_LAB_CLUSTER_LOCATION.",
    ),
    addonProfiles: optional(
      object(
        {
          aciConnectorLinux: optional(
            object(
              {
                enabled: withDefault(flag("enabled"), true, "False: as if it were not there."),
                config: required(
                  object(
                    { SubnetName: required(name("a subnet", "virtual-nodes"), "A delegated subnet of the VNet of the nodes.") },
                    { what: "config", synonyms: { subnetName: "SubnetName", subnet: "SubnetName" } },
                  ),
                  "Where the pods of the virtual node are.",
                ),
              },
              { what: "the virtual-node add-on" },
            ),
            "Virtual nodes: pods that ask for them run in Azure Container Instances, with addresses of a delegated subnet. Needs Azure CNI with node subnet.",
          ),
        },
        {
          what: "add-on profiles",
          synonyms: { ACIConnectorLinux: "aciConnectorLinux" },
          notModelled: {
            ingressApplicationGateway: "leave it out",
            httpApplicationRouting: "leave it out",
            omsagent: "leave it out: it changes no packet's way here",
            azurepolicy: "leave it out: it changes no packet's way here",
          },
        },
      ),
      "Add-ons that decide where packets go.",
    ),
    pools: withDefault(
      list(pool, { what: "pools", least: 1 }),
      [],
      `Node pools; the first is a System pool. Default: one, ${clusterDefaults.poolName}, of ${clusterDefaults.nodeCount} nodes; kubenet takes ${kubenetNodes.current.value} nodes in all.`,
    ),
    manifests: withDefault(
      list(text({ what: "path of a manifest", examples: ["shop.yaml"] }), { what: "manifests" }),
      [],
      "Kubernetes manifests (YAML or JSON) to apply to the cluster: paths relative to this file; a folder or a pattern such as app/*.yaml too.",
    ),
  },
  {
    what: "a cluster",
    synonyms: {
      agentPools: "pools",
      agentPoolProfiles: "pools",
      nodePools: "pools",
      vnetSubnetID: "subnet",
      podSubnetID: "podSubnet",
      podCIDR: "podCidr",
      serviceCIDR: "serviceCidr",
      dnsServiceIp: "dnsServiceIP",
      maxPods: "pools[].maxPods",
      count: "pools[].count",
      nodeCount: "pools[].count",
      version: "kubernetesVersion",
      networkProfile: "its properties one by one, right in the cluster",
    },
    notModelled: {
      advancedNetworking: "leave it out",
      staticEgressGatewayProfile: "leave it out",
      serviceMeshProfile: "leave it out",
      ingressProfile: "leave it out",
      autoScalerProfile: "leave it out: it does not say how many nodes there are",
      nodeProvisioningProfile: "leave it out",
      dockerBridgeCidr: "leave it out: it went from the API with Docker",
    },
  },
);

const labName = plainName("a lab", "two-options");
const labNameDescription = "Name of the lab, and of its resource group.";

const egress = egressShapes(name, subnetReference);

const parts = {
  rules: withDefault(
    choice(["current", "lesson"], { what: "rule set" }),
    "current",
    "Whose limits and defaults hold: today's service, or that of about 2019 as the lesson teaches it.",
  ),
  provisioning: optional(
    choice(provisioningRoutes, { what: "way to make clusters", source: "aks:concepts-network-ip-address-planning.md" }),
    "How clusters are made. The portal of rules: lesson lets nobody choose maxPods. Default: in whatever way allows most.",
  ),
  location: withDefault(
    text({
      what: "location",
      pattern: /^[a-z][a-z0-9]{1,39}$/,
      rule: "Azure's name of a region: lower-case letters and digits",
      examples: ["westeurope"],
    }),
    defaultLocation,
    "Azure region. It decides about names only.",
  ),
  networks: withDefault(list(network, { what: "networks" }), [], "Virtual networks."),
  routeTables: withDefault(list(routeTable, { what: "routeTables" }), [], "Route tables of one's own."),
  securityGroups: withDefault(
    list(securityGroupShape(name, subnetReference), { what: "securityGroups" }),
    [],
    "Network security groups of one's own, on subnets and on machines.",
  ),
  publicIPAddresses: withDefault(
    list(egress.publicIPAddress, { what: "publicIPAddresses" }),
    [],
    "Public IP addresses of one's own: for outbound rules, NAT gateways, machines and Services.",
  ),
  publicIPPrefixes: withDefault(list(egress.publicIPPrefix, { what: "publicIPPrefixes" }), [], "Public IP prefixes of one's own."),
  natGateways: withDefault(list(egress.natGateway, { what: "natGateways" }), [], "NAT gateways of one's own, on subnets."),
  loadBalancers: withDefault(
    list(loadBalancerShape(name, subnetReference), { what: "loadBalancers" }),
    [],
    "Internal load balancers of one's own, in front of machines.",
  ),
  machines: withDefault(list(machine, { what: "machines" }), [], "Virtual machines in subnets."),
  privateEndpoints: withDefault(
    list(privateEndpoint, { what: "privateEndpoints" }),
    [],
    "Private endpoints: network interfaces of Azure services in subnets.",
  ),
  sites: withDefault(list(site, { what: "sites" }), [], "On-premises sites, each behind the gateway of a VNet."),
  internet: withDefault(list(internetMachine, { what: "internet" }), [], "Hosts on the internet."),
  clusters: withDefault(list(cluster, { what: "clusters" }), [], "AKS clusters."),
  faults: withDefault(
    list(faultShape, { what: "faults" }),
    [],
    "What is broken from the start, as if 'drydock fault add' had broken it when the lab was up.",
  ),
} as const;

const options = {
  what: "a lab",
  synonyms: {
    name: "lab",
    vnets: "networks",
    virtualNetworks: "networks",
    vms: "machines",
    virtualMachines: "machines",
    onPremises: "sites",
    internetHosts: "internet",
    hosts: "machines",
    region: "location",
    udr: "routeTables",
    publicIps: "publicIPAddresses",
    publicIpAddresses: "publicIPAddresses",
    publicIpPrefixes: "publicIPPrefixes",
    networkSecurityGroups: "securityGroups",
    nsgs: "securityGroups",
    peerings: "networks[].peerings, one on each side",
    firewalls: "machines[].firewall",
    broken: "faults",
  },
  notModelled: {
    azureFirewalls: "use a machine with enableIPForwarding and firewall",
  },
} as const;

export const labFile = object({ lab: required(labName, labNameDescription), ...parts }, options);

/** A further file of the same lab: the name may be left to the first. */
export const furtherLabFile = object({ lab: optional(labName, labNameDescription), ...parts }, options);

type Read<S> = S extends Shape<infer T> ? T : never;
export type LabFile = Read<typeof labFile>;
export type ClusterEntry = NonNullable<LabFile["clusters"][number]>;

function schemaRange({ min, max }: { readonly min: number; readonly max: number }) {
  return { min, max };
}

/** For editors: the lab file as JSON Schema, draft 2020-12. */
export function labSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Drydock lab file",
    description: "An AKS network in a lab: virtual networks, clusters, machines, on-premises sites and internet hosts.",
    ...labFile.schema,
  };
}
