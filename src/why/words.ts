/** Words that several remedies use. */

import type { Protocol } from "../net/ports.ts";

export function protocolName(protocol: Protocol): string {
  return protocol === "icmp" ? "ping" : protocol;
}
