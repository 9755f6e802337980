/** The kernel room: networks made real in Linux namespaces, and read back. Needs a world: root's rights over the network and over /run/netns. */

export { type Connection, type ConnectionTuple, connections, markConnections } from "./conntrack.ts";
export { prepareHome } from "./home.ts";
export { Kernel } from "./kernel.ts";
export { koffi } from "./koffi.ts";
export { SystemError } from "./libc.ts";
export { namespaceName, within } from "./namespaces.ts";
export { NftTrace, type PacketTuple, type TraceEvent, type TraceMatch } from "./nft-trace.ts";
export type { ObservedHost, ObservedLink, ObservedNeighbour, ObservedRoute, ObservedRule } from "./observe.ts";
export type { ApplyError, ApplyReport } from "./report.ts";
export {
  bindEcho,
  bindUdp,
  connectTcp,
  type Local,
  listenTcp,
  pendingError,
  resetTcp,
  type Target,
  tcpConnect,
} from "./sockets.ts";
