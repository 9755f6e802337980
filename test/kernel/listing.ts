/** What `nft` does and lists in the current namespace. Listings are put into an order that does not tell how they came about. */

import { spawnSync } from "node:child_process";

/** Runs text as one transaction. Returns what was wrong, or nothing. */
export function runNft(text: string): string {
  const { status, stderr } = spawnSync("nft", ["-f", "-"], { input: text, encoding: "utf8" });
  return status === 0 ? "" : stderr;
}

/** The rules without counters and time left, as {@link sortedListing}. */
export function listNft(): string {
  const { status, stdout, stderr } = spawnSync("nft", ["--stateless", "list", "ruleset"], { encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(stderr);
  return sortedListing(stdout);
}

/** Tables with their chains, sets and maps sorted; the order of rules stays. Elements, which the kernel keeps in the order of their hashes, are sorted. */
export function sortedListing(listing: string): string {
  return blocks(listing, "").join("\n");
}

/** Sorted blocks `head {` … `}` at one depth of indentation, with what they hold. */
function blocks(text: string, indent: string): readonly string[] {
  const found: string[] = [];
  let head: string | undefined;
  let body: string[] = [];
  for (const line of text.split("\n")) {
    if (head === undefined) {
      if (line.startsWith(indent) && line.endsWith("{")) head = line;
    } else if (line === `${indent}}`) {
      const inner = indent === "" ? blocks(body.join("\n"), "\t") : [sortedElements(body.join("\n"))];
      found.push([head, ...inner, line].join("\n"));
      head = undefined;
      body = [];
    } else body.push(line);
  }
  return found.sort();
}

function sortedElements(body: string): string {
  return body.replace(/elements = \{([^}]*)\}/g, (_, elements: string) => {
    const sorted = elements
      .split(",")
      .map((element) => element.trim())
      .sort();
    return `elements = { ${sorted.join(", ")} }`;
  });
}
