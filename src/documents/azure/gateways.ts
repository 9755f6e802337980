/** Virtual network gateways, local network gateways and the connections between them: on-premises sites. */

import { armId } from "../../arm/names.ts";
import type { Child, Reference } from "../../arm/resources.ts";
import { words } from "../../kube/field.ts";
import type { Acceptor } from "./acceptor.ts";
import { locationOf } from "./networks.ts";

export const virtualNetworkGateway: Acceptor = {
  type: "Microsoft.Network/virtualNetworkGateways",
  inert: words(`
    sku vpnType vpnGatewayGeneration activeActive active bgpSettings enablePrivateIpAddress gatewayDefaultSite ipConfigurations[].properties
    ipConfigurations[].properties.publicIPAddress ipConfigurations[].properties.privateIPAllocationMethod
    ipConfigurations[].properties.privateIPAddress ipConfigurations[].properties.provisioningState inboundDnsForwardingEndpoint
    inboundDnsForwardingIP enableDnsForwarding disableIPSecReplayProtection adminState allowRemoteVnetTraffic allowVirtualWanTraffic
    enableHighBandwidthVpnGateway packetCaptureDiagnosticState resiliencyModel migrationStatus vpnClientConnections autoScaleConfiguration
    virtualNetworkGatewayPolicyGroups identity
  `),
  notModelled: {
    enableBgp: ["BGP of the gateway", "what it would learn is not known: describe it as prefixes of a local network gateway"],
    vpnClientConfiguration: ["point-to-site VPN", "clients of the gateway are not there"],
    customRoutes: ["custom routes for point-to-site clients", "leave them out"],
    natRules: ["NAT rules of the gateway", "traces pass the gateway untranslated"],
  },
  accept: (item, estate) => {
    const { properties } = item;
    const gatewayType = properties.get("gatewayType").choice(["Vpn", "ExpressRoute"]) ?? "Vpn";
    const ipConfigurations = properties
      .get("ipConfigurations")
      .items()
      .flatMap((one, index): Child<{ readonly subnet: Reference }>[] => {
        const subnet = estate.refer(one.get("properties", "subnet", "id"), "subnet", true);
        const name = one.get("name").text() ?? `default${index}`;
        return subnet === undefined ? [] : [{ id: `${item.id}/ipConfigurations/${name}`, name, properties: { subnet: { id: subnet.id } } }];
      });
    if (ipConfigurations.length === 0) {
      estate.keep(item, "it is in no VNet that is described");
      return;
    }
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: virtualNetworkGateway.type as "Microsoft.Network/virtualNetworkGateways",
        ...locationOf(item),
        properties: { gatewayType, ipConfigurations },
      },
      estate.origin(item),
    );
  },
};

export const localNetworkGateway: Acceptor = {
  type: "Microsoft.Network/localNetworkGateways",
  inert: words("gatewayIpAddress fqdn"),
  notModelled: { bgpSettings: ["BGP of the site", "its prefixes are those of localNetworkAddressSpace"] },
  accept: (item, estate) => {
    const prefixes = item.properties.get("localNetworkAddressSpace", "addressPrefixes").items();
    const ipv4 = prefixes.filter((prefix) => prefix.text()?.includes(":") === false);
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: localNetworkGateway.type as "Microsoft.Network/localNetworkGateways",
        ...locationOf(item),
        properties: { localNetworkAddressSpace: { addressPrefixes: ipv4.flatMap((prefix) => prefix.text() ?? []) } },
      },
      estate.origin(item),
    );
    estate.add(
      {
        id: armId(item.group, "Drydock.Lab/sites", item.name),
        name: item.name,
        type: "Drydock.Lab/sites",
        properties: { localNetworkGateway: { id: item.id }, machines: [] },
      },
      estate.origin(item, ([first, index]) =>
        first === "prefixes" ? (ipv4[Number(index)]?.path ?? ["properties", "localNetworkAddressSpace"]) : ["properties"],
      ),
    );
  },
};

export const connection: Acceptor = {
  type: "Microsoft.Network/connections",
  inert: words(`
    sharedKey routingWeight connectionProtocol connectionMode connectionStatus ipsecPolicies dpdTimeoutSeconds ingressBytesTransferred
    egressBytesTransferred tunnelConnectionStatus authorizationKey useLocalAzureIpAddress expressRouteGatewayBypass packetCaptureDiagnosticState
    enablePrivateLinkFastPath virtualNetworkGateway1.properties localNetworkGateway2.properties virtualNetworkGateway1.resourceGroup
    localNetworkGateway2.resourceGroup gatewayCustomBgpIpAddresses authenticationType tunnelProperties
  `),
  notModelled: {
    enableBgp: ["BGP over the connection", "the site has the prefixes of its local network gateway"],
    usePolicyBasedTrafficSelectors: ["policy-based traffic selectors", "traces take the connection as route-based"],
    trafficSelectorPolicies: ["traffic selectors", "traces take the connection as route-based"],
    egressNatRules: ["NAT rules of the gateway", "traces pass the gateway untranslated"],
    ingressNatRules: ["NAT rules of the gateway", "traces pass the gateway untranslated"],
  },
  accept: (item, estate) => {
    const { properties } = item;
    const type = properties.get("connectionType");
    const gateway = estate.refer(properties.get("virtualNetworkGateway1", "id"), "virtual network gateway", false);
    const kind = type.text() ?? "IPsec";
    if (kind.toLowerCase() !== "ipsec") {
      type.report({
        code: "NotModelled",
        severity: "warning",
        message: `connection ${item.name}: connection type ${kind} is not modelled: what is behind it cannot be reached here`,
        fix: "describe what is behind it as a site in a lab file beside this document",
      });
      for (const name of ["localNetworkGateway2", "virtualNetworkGateway2", "peer"]) item.reading.seeAll(properties.get(name).path);
      return;
    }
    const site = estate.refer(properties.get("localNetworkGateway2", "id"), "local network gateway", false);
    if (gateway === undefined || site === undefined) return;
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: connection.type as "Microsoft.Network/connections",
        ...locationOf(item),
        properties: { connectionType: "IPsec", virtualNetworkGateway1: { id: gateway.id }, localNetworkGateway2: { id: site.id } },
      },
      estate.origin(item),
    );
  },
};
