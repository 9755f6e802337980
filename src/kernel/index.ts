/** The kernel room: networks made real in Linux namespaces, and read back. Needs a world: root's rights over the network and over /run/netns. */

export { Kernel } from "./kernel.ts";
export { SystemError } from "./libc.ts";
export { namespaceName, namespacePath, within } from "./namespaces.ts";
export type { ObservedHost, ObservedLink, ObservedNeighbour, ObservedRoute, ObservedRule } from "./observe.ts";
export type { ApplyError, ApplyReport } from "./report.ts";
export { type Local, type Target, tcpConnect, tcpListen, udpBind } from "./sockets.ts";
