/** Listings of `nft` in an order that does not tell how they came about. */

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
