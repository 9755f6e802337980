/** What answers on machines and pods: stand-ins on the ports that they declare. */

import type { Answer, Listener, Origin } from "../ir/network.ts";
import { answersAt, answersOf } from "../kube/answers.ts";
import { runningContainers } from "../kube/containers.ts";
import type { Pod } from "../kube/objects.ts";
import type { Address } from "../net/address.ts";
import { parsePortSpec } from "../net/ports.ts";

/** Stand-ins on the ports that a machine is said to listen on. */
export function listenersOf(listen: readonly string[], as: string, origin: Origin): Listener[] {
  return listen.flatMap((text) => {
    const spec = parsePortSpec(text);
    return spec === undefined ? [] : [{ ...spec, answer: { kind: "identity", as }, origin }];
  });
}

/** Stand-ins on the container ports of a pod, TCP and UDP. `address` for pods that share the node's. */
export function podListeners(pod: Pod, as: string, origin: Origin, address?: Address): Listener[] {
  const seen = new Set<string>();
  const answers = answersOf(pod.metadata);
  return runningContainers(pod.spec).flatMap((container) =>
    (container.ports ?? []).flatMap((port): Listener[] => {
      const protocol = port.protocol === "UDP" ? "udp" : "tcp";
      const key = `${protocol}/${port.containerPort}`;
      if (port.protocol === "SCTP" || seen.has(key)) return [];
      seen.add(key);
      const statuses = protocol === "tcp" ? answersAt(answers, port.containerPort) : [];
      const answer: Answer = { kind: "identity", as, ...(statuses.length === 0 ? {} : { statuses }) };
      return [{ ...(address === undefined ? {} : { address }), protocol, port: port.containerPort, answer, origin }];
    }),
  );
}
