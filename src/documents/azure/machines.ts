/** Virtual machines, network interfaces and private endpoints: an interface's owner gets what its interface says as tags, from which it is made. */

import {
  addressTag,
  applicationSecurityGroupsTag,
  ipForwardingTag,
  ipv6AddressTag,
  publicAddressTag,
  publicIpv6AddressTag,
  securityGroupTag,
  subnetTag,
} from "../../arm/names.ts";
import { listenTag } from "../../arm/resources.ts";
import { words } from "../../kube/field.ts";
import { parsePortSpec } from "../../net/ports.ts";
import { formatValue } from "../problem.ts";
import type { Acceptor } from "./acceptor.ts";
import type { Estate, Item } from "./estate.ts";
import { attached, locationOf } from "./networks.ts";
import type { Value } from "./value.ts";

type Tags = Readonly<Record<string, string>>;

export const virtualMachine: Acceptor = {
  type: "Microsoft.Compute/virtualMachines",
  inert: words(`
    hardwareProfile storageProfile osProfile diagnosticsProfile availabilitySet proximityPlacementGroup priority evictionPolicy billingProfile
    host hostGroup licenseType vmId extensionsTimeBudget securityProfile additionalCapabilities applicationProfile userData scheduledEventsProfile
    virtualMachineScaleSet platformFaultDomain instanceView networkProfile.networkApiVersion capacityReservation resources
    networkProfile.networkInterfaces[].properties.deleteOption networkProfile.networkInterfaces[].deleteOption
    networkProfile.networkInterfaces[].resourceGroup scheduledEventsPolicy virtualMachineSizeProperties
  `),
  notModelled: {
    "networkProfile.networkInterfaceConfigurations": [
      "an interface that is described inside the machine",
      "describe it as Microsoft.Network/networkInterfaces",
    ],
  },
  accept: (item, estate) => {
    const references = item.properties.get("networkProfile", "networkInterfaces").items();
    const nics = references.flatMap((reference) => {
      // The command line's form has no `properties` in references.
      const isPrimary = (reference.get("properties", "primary").flag() ?? reference.get("primary").flag()) === true;
      const nic = estate.refer(reference.get("id"), "network interface", false);
      return nic === undefined ? [] : [{ nic, isPrimary, reference }];
    });
    const primary = nics.find(({ isPrimary }) => isPrimary) ?? nics[0];
    if (primary === undefined) {
      estate.keep(item, "no document describes its network interface, so nothing is known of where it is");
      return;
    }
    estate.claim(primary.nic);
    const tags = tagsOfInterface(primary.nic, estate);
    if (tags === undefined) return;
    for (const { nic, reference } of nics) {
      if (nic === primary.nic) continue;
      reference.report({
        code: "NotModelled",
        severity: "warning",
        value: nic.name,
        message: `machine ${item.name} has more than one network interface; only ${primary.nic.name} is modelled, ${nic.name} keeps its address and neither sends nor takes packets`,
        fix: "traces from, to and through the others are not Azure's",
      });
    }
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: virtualMachine.type as "Microsoft.Compute/virtualMachines",
        ...locationOf(item),
        tags: { ...tags, ...listenTags(item, estate) },
        properties: { networkProfile: { networkInterfaces: [] } },
      },
      { ...estate.origin(primary.nic, () => ["properties", "ipConfigurations", 0]) },
    );
  },
};

/** What a machine listens on is nobody's business in Azure: the tag says it. */
function listenTags({ placed }: Item, estate: Estate, otherwise?: string): Tags {
  const text = placed.tags?.[listenTag] ?? otherwise;
  if (text === undefined) return {};
  const ports = text.split(/\s+/).filter((word) => word !== "");
  const wrong = ports.find((word) => parsePortSpec(word) === undefined);
  if (wrong === undefined) return ports.length === 0 ? {} : { [listenTag]: [...new Set(ports)].join(" ") };
  const item = estate.find(placed.id);
  if (item !== undefined) {
    estate.complain(item, ["tags", listenTag], {
      code: "InvalidValue",
      value: text,
      message: `${formatValue(wrong)} in tag ${listenTag} is no port`,
      fix: 'write ports like "5432/tcp 53/udp"',
    });
  }
  return {};
}

/** The IP configuration that an interface sends from. */
function primaryOf(configurations: readonly Value[]): Value | undefined {
  const isIpv4 = (one: Value) => !isIpv6(one);
  return configurations.find((one) => one.get("properties", "primary").flag() === true && isIpv4(one)) ?? configurations.find(isIpv4);
}

function isIpv6(configuration: Value): boolean {
  return configuration.get("properties", "privateIPAddressVersion").text()?.toLowerCase() === "ipv6";
}

/** What an interface says, as its owner's tags; `undefined` when it is in no subnet that is known. */
function tagsOfInterface(nic: Item, estate: Estate): Tags | undefined {
  const configurations = nic.properties.get("ipConfigurations").items();
  const first = primaryOf(configurations);
  const second = configurations.find(isIpv6);
  const subnet = first === undefined ? undefined : estate.refer(first.get("properties", "subnet", "id"), "subnet", true);
  if (first === undefined || subnet === undefined) return undefined;
  // A dynamic address that is known is one that Azure has chosen: it keeps it.
  const address = first.get("properties", "privateIPAddress").text();
  const publicAddress = attached(estate, first.get("properties", "publicIPAddress"), "public IP address");
  const publicIpv6Address = second && attached(estate, second.get("properties", "publicIPAddress"), "public IP address");
  const group = attached(estate, nic.properties.get("networkSecurityGroup"), "network security group");
  const memberships = first
    .get("properties", "applicationSecurityGroups")
    .items()
    .flatMap((one) => estate.refer(one.get("id"), "application security group", false)?.id ?? []);
  return {
    [subnetTag]: subnet.id,
    ...(address === undefined ? {} : { [addressTag]: address }),
    ...(nic.properties.get("enableIPForwarding").flag() === true ? { [ipForwardingTag]: "true" } : {}),
    ...(publicAddress === undefined ? {} : { [publicAddressTag]: publicAddress.id }),
    ...(second === undefined ? {} : { [ipv6AddressTag]: second.get("properties", "privateIPAddress").text() ?? "" }),
    ...(publicIpv6Address === undefined ? {} : { [publicIpv6AddressTag]: publicIpv6Address.id }),
    ...(group === undefined ? {} : { [securityGroupTag]: group.id }),
    ...(memberships.length === 0 ? {} : { [applicationSecurityGroupsTag]: [...new Set(memberships)].join(" ") }),
  };
}

/** Its owner's controller makes the interface again; what is left are addresses that nobody else may have. */
export const networkInterface: Acceptor = {
  type: "Microsoft.Network/networkInterfaces",
  inert: words(`
    dnsSettings enableAcceleratedNetworking macAddress primary virtualMachine privateEndpoint nicType hostedWorkloads tapConfigurations
    vnetEncryptionSupported workloadType migrationPhase auxiliaryMode auxiliarySku disableTcpStateTracking allowPort25Out
    defaultOutboundConnectivityEnabled dscpConfiguration privateLinkService kind
    ipConfigurations[].properties.privateIPAllocationMethod ipConfigurations[].properties.privateIPAddressVersion
    ipConfigurations[].properties.primary ipConfigurations[].properties.privateLinkConnectionProperties
    ipConfigurations[].properties.loadBalancerInboundNatRules ipConfigurations[].properties.virtualNetworkTaps
    ipConfigurations[].properties.publicIPAddress
  `),
  notModelled: {
    "ipConfigurations[].properties.loadBalancerBackendAddressPools": [
      "being a backend of a load balancer of one's own",
      "traces to the load balancer's frontend end there",
    ],
    "ipConfigurations[].properties.applicationGatewayBackendAddressPools": [
      "being a backend of an application gateway",
      "traces to the gateway's frontend end there",
    ],
  },
  accept: (item, estate) => {
    const { properties } = item;
    const enableIPForwarding = properties.get("enableIPForwarding").flag() ?? false;
    const owner = properties.get("virtualMachine", "id").text() ?? properties.get("privateEndpoint", "id").text();
    const all = properties.get("ipConfigurations").items();
    const isClaimed = estate.isClaimed(item);
    const primary = primaryOf(all);
    const left = all.filter((one) => !isClaimed || (one !== primary && !isIpv6(one)));
    const configurations = left.flatMap((one, index) => {
      const address = one.get("properties", "privateIPAddress").text();
      const subnet = estate.refer(one.get("properties", "subnet", "id"), "subnet", false);
      const name = one.get("name").text() ?? `ipconfig${index + 1}`;
      item.reading.seeAll(one.get("properties", "applicationSecurityGroups").path);
      if (subnet === undefined || address === undefined || address.includes(":")) return [];
      return [{ name, properties: { primary: index === 0, privateIPAddress: address, subnet: { id: subnet.id } } }];
    });
    if (configurations.length === 0) return;
    if (isClaimed) {
      left[0]?.report({
        code: "NotModelled",
        severity: "warning",
        message: `network interface ${item.name} has secondary addresses, ${configurations.map(({ properties: { privateIPAddress } }) => privateIPAddress).join(", ")}: they are taken, and what is sent to them goes nowhere here`,
      });
    }
    estate.add(
      {
        // The owner's controller makes the interface itself.
        id: isClaimed ? `${item.id}-secondary` : item.id,
        name: item.name,
        type: networkInterface.type as "Microsoft.Network/networkInterfaces",
        ...locationOf(item),
        properties: {
          enableIPForwarding,
          ...(owner === undefined ? {} : { virtualMachine: { id: owner } }),
          ipConfigurations: configurations,
        },
      },
      estate.origin(item),
    );
  },
};

/** TCP ports of the services behind private endpoints, by group id (learn:azure/private-link/private-endpoint-overview, private-link resource). */
const portsOfGroups: readonly (readonly [groups: readonly string[], ports: string])[] = [
  [
    words("blob blob_secondary file queue table dfs web vault registry sites configurationStores account searchService sql mongodb"),
    "443/tcp",
  ],
  [words("sqlServer"), "1433/tcp"],
  [words("postgresqlServer"), "5432/tcp"],
  [words("mysqlServer mariadbServer"), "3306/tcp"],
  [words("redisCache"), "6380/tcp"],
  [words("management"), "443/tcp"],
];

export const privateEndpoint: Acceptor = {
  type: "Microsoft.Network/privateEndpoints",
  inert: words(`
    privateLinkServiceConnections manualPrivateLinkServiceConnections networkInterfaces customDnsConfigs customNetworkInterfaceName ipVersionType
    privateDnsZoneGroups ipConfigurations[].properties.groupId ipConfigurations[].properties.memberName
  `),
  notModelled: { applicationSecurityGroups: ["membership of a private endpoint in application security groups", "leave it out"] },
  accept: (item, estate) => {
    const { properties } = item;
    const subnet = estate.refer(properties.get("subnet", "id"), "subnet", true);
    if (subnet === undefined) return;
    warnOfPolicies(item, subnet, estate);
    const [configured] = properties
      .get("ipConfigurations")
      .items()
      .flatMap((one) => one.get("properties", "privateIPAddress").text() ?? []);
    const [known] = properties
      .get("networkInterfaces")
      .items()
      .flatMap((one) => {
        const nic = estate.find(one.get("id").text() ?? "");
        if (nic === undefined) return [];
        estate.claim(nic);
        return primaryOf(nic.properties.get("ipConfigurations").items())?.get("properties", "privateIPAddress").text() ?? [];
      });
    const address = configured ?? known;
    const groups = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"].flatMap((name) =>
      properties
        .get(name)
        .items()
        .flatMap((one) =>
          one
            .get("properties", "groupIds")
            .items()
            .flatMap((group) => group.text() ?? []),
        ),
    );
    const ports = portsOfGroups.find(([names]) => groups.some((group) => names.some((name) => name.toLowerCase() === group.toLowerCase())));
    for (const name of ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections", "networkInterfaces"]) {
      item.reading.seeAll(properties.get(name).path);
    }
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: privateEndpoint.type as "Microsoft.Network/privateEndpoints",
        ...locationOf(item),
        tags: {
          [subnetTag]: subnet.id,
          ...(address === undefined ? {} : { [addressTag]: address }),
          ...listenTags(item, estate, ports?.[1]),
        },
        properties: { subnet: { id: subnet.id }, networkInterfaces: [] },
      },
      estate.origin(item, ([, tag]) => (tag === addressTag ? ["properties", "ipConfigurations"] : ["properties", "subnet"])),
    );
  },
};

/** By default security groups and route tables of a subnet leave its private endpoints alone. */
function warnOfPolicies(item: Item, subnet: Item, estate: Estate): void {
  const text = subnet.properties.get("privateEndpointNetworkPolicies").text()?.toLowerCase();
  if (text === undefined || text === "disabled") return;
  estate.complain(item, ["properties", "subnet"], {
    code: "NotModelled",
    severity: "warning",
    message: `private endpoint ${item.name}: privateEndpointNetworkPolicies of subnet ${subnet.name} (security groups and routes for private endpoints) is not modelled`,
    source: "learn:azure/private-link/disable-private-endpoint-network-policy",
    fix: "traces take private endpoints as not subject to security groups and route tables",
  });
}
