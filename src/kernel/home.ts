/** The daemon's own namespaces, just made: made fit to hold a network. */

import { mkdirSync } from "node:fs";
import { checked, libc } from "./libc.ts";
import { Batch, NETLINK_ROUTE, NetlinkSocket } from "./netlink.ts";
import { setLink } from "./netlink-route.ts";

/** Loopback has this index in every namespace. */
const loopback = 1;

/** A tmpfs of its own over /run, so that namespaces can be named there and nobody else sees them; loopback up. Only in namespaces of one's own. */
export function prepareHome(): void {
  checked("mount(/run)", libc().mount("drydock", "/run", "tmpfs", 0, null));
  mkdirSync("/run/netns");
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  const batch = new Batch();
  setLink(batch, loopback, { up: true });
  const [refusal] = socket.transact(batch);
  socket.close();
  if (refusal !== undefined) throw new Error("cannot set lo up in the lab's own network namespace");
}
