/** What came of an apply. */

import type { HostName, Origin } from "../ir/network.ts";

/** What the kernel refused. The rest of the host was applied as far as it makes sense, and the next apply tries again. */
export type ApplyError = {
  readonly host: HostName;
  readonly kind: "namespace" | "setting" | "interface" | "address" | "neighbour" | "route" | "rule" | "nft";
  /** In the words of iproute2 and nft: "route 10.244.0.0/24 via 10.240.0.4 dev eth0 table 100". */
  readonly element: string;
  /** errno's name. */
  readonly code: string;
  /** For a person: element, reason, origin. */
  readonly message: string;
  readonly origin?: Origin;
};

export type ApplyReport = {
  /** Changes asked of the kernel: messages, settings, transactions of rules, namespaces made and removed. 0: nothing had to be done. */
  readonly operations: number;
  readonly made: readonly HostName[];
  readonly changed: readonly HostName[];
  readonly removed: readonly HostName[];
  readonly errors: readonly ApplyError[];
  /** Elements that wait until the other end of a link exists. */
  readonly waiting: readonly { readonly host: HostName; readonly element: string }[];
};

export function applyError(
  host: HostName,
  kind: ApplyError["kind"],
  element: string,
  cause: { readonly code: string; readonly text?: string | undefined },
  origin: Origin | undefined,
): ApplyError {
  const why = cause.text === undefined ? cause.code : `${cause.code} (${cause.text})`;
  const because = origin === undefined ? "" : `; it is there because: ${origin.reason} [${origin.resource}]`;
  const message = `${host}: ${kind} ${element}: the kernel answers ${why}${because}`;
  return { host, kind, element, code: cause.code, message, ...(origin === undefined ? {} : { origin }) };
}
