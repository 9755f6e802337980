/**
 * Azure CNI's transparent mode, which its options share: no bridge; the node routes each pod's address to the pod's interface, and the pod sees
 * a gateway 169.254.1.1 that exists only as a neighbour entry. Azure/azure-container-networking: network/transparent_endpointclient_linux.go.
 */

import { type Interface, type InterfaceName, mainTable, type Origin, type Route } from "../ir/network.ts";
import { bitsOf, familyOf, mustAddress } from "../net/address.ts";
import { hostPrefix, mustPrefix } from "../net/prefix.ts";
import type { NodeContext, PodNetwork } from "./pod-network.ts";
import type { PodInfo } from "./topology.ts";
import { eth0 } from "./wiring.ts";

const defaultRoute = mustPrefix("0.0.0.0/0");
/** The gateway that pods see, and the address of the interface behind it. */
const virtualGateway = mustAddress("169.254.1.1");
const nodeEndMac = "aa:aa:aa:aa:aa:aa";

type TransparentMode = {
  readonly source: string;
  /** Why the pod has its address. */
  readonly addressOrigin: (context: NodeContext, pod: PodInfo) => Origin;
};

export function transparentMode({ source, addressOrigin }: TransparentMode): Pick<PodNetwork, "node" | "pod"> {
  const podOrigin = (pod: PodInfo, what: string) => originOfPod(pod, what, source);
  return {
    node: ({ pods, nic }) => ({
      interfaces: [
        nic.interface,
        ...pods.map(
          (pod): Interface => ({
            kind: "veth",
            name: nodeInterface(pod),
            mac: nodeEndMac,
            proxyArp: true,
            addresses: [],
            peer: { host: pod.host, name: eth0 },
            origin: podOrigin(pod, "node's end of"),
          }),
        ),
      ],
      routes: [
        nic.defaultRoute,
        ...pods.map(
          (pod): Route => ({
            type: "unicast",
            table: mainTable,
            dst: hostPrefix(pod.address),
            dev: nodeInterface(pod),
            origin: podOrigin(pod, "the node's way to"),
          }),
        ),
      ],
    }),
    pod: (context, pod) => {
      const origin = podOrigin(pod, "interface of");
      return {
        interfaces: [
          {
            kind: "veth",
            name: eth0,
            addresses: [{ address: pod.address, prefixLength: bitsOf(familyOf(pod.address)), origin: addressOrigin(context, pod) }],
            peer: { host: context.node.host, name: nodeInterface(pod) },
            origin,
          },
        ],
        routes: [
          { type: "unicast", table: mainTable, dst: hostPrefix(virtualGateway), dev: eth0, origin },
          {
            type: "unicast",
            table: mainTable,
            dst: defaultRoute,
            dev: eth0,
            via: virtualGateway,
            origin: { ...origin, reason: "default route by the node" },
          },
        ],
        neighbours: [{ dev: eth0, address: virtualGateway, mac: nodeEndMac, origin }],
      };
    },
  };
}

export function originOfPod(pod: PodInfo, what: string, source: string): Origin {
  return { resource: pod.host, reason: `${what} pod ${pod.pod.metadata.name}`, source };
}

/** The node's end of a pod's link. */
export function nodeInterface(pod: PodInfo): InterfaceName {
  return `azv${pod.hash}`;
}
