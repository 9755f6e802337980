/** What changed between two lists, at a cost that follows the change where the lists share their objects. */

export type Difference<T> = { readonly removed: readonly T[]; readonly added: readonly T[] };

/** `contentOf` says everything that matters about an element: elements with the same content are the same, wherever they stand. */
export function difference<T extends object>(before: readonly T[], after: readonly T[], contentOf: (element: T) => string): Difference<T> {
  if (before === after) return { removed: [], added: [] };
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before[before.length - 1 - end] === after[after.length - 1 - end])
    end++;
  const old = new Set(before.slice(start, before.length - end));
  const fresh: T[] = [];
  for (const element of after.slice(start, after.length - end)) if (!old.delete(element)) fresh.push(element);
  const byContent = new Map([...old].map((element) => [contentOf(element), element]));
  const added = fresh.filter((element) => !byContent.delete(contentOf(element)));
  return { removed: [...byContent.values()], added };
}
