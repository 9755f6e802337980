/** Which of the known words did someone mean? */

/** Nobody misspells a longer one, and comparing takes the product of the lengths. */
const longestWord = 200;

/** The known names nearest to `text`, nearest first: at most `count`, and none that is far off. Case does not count. */
export function nearest(text: string, known: Iterable<string>, count = 3): string[] {
  const wanted = text.toLowerCase();
  if (wanted.length > longestWord) return [];
  const found: { readonly name: string; readonly distance: number }[] = [];
  for (const name of known) {
    const candidate = name.toLowerCase();
    if (candidate.length > longestWord) continue;
    // A part of a name is a better guess than a misspelling, the more so the longer the part.
    const isPart = wanted.length >= 3 && candidate.includes(wanted);
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3));
    const distance = isPart ? 0.5 + (candidate.length - wanted.length) / 1000 : editDistance(wanted, candidate, allowed);
    if (distance <= allowed) found.push({ name, distance });
  }
  return found
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map(({ name }) => name);
}

/** The known word nearest to `text`, if there is a near one. */
export function closest(text: string, known: Iterable<string>): string | undefined {
  return nearest(text, known, 1)[0];
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. More than `limit` is given as `limit + 1`. */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let [beforeLast, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let smallest = i;
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let distance = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) distance = Math.min(distance, (beforeLast[j - 2] ?? 0) + 1);
      row.push(distance);
      smallest = Math.min(smallest, distance);
    }
    if (smallest > limit) return limit + 1;
    [beforeLast, last] = [last, row];
  }
  return Math.min(last[b.length] ?? 0, limit + 1);
}

/** Words that documents themselves bring may be many, and so may misspellings: after some work there are no more suggestions. */
export class Suggestions {
  #left = 100_000;

  /** `; did you mean "podCidr"?`, or nothing. */
  didYouMean(text: string, known: readonly string[]): string {
    if (known.length > this.#left) return "";
    this.#left -= known.length;
    const word = closest(text, known);
    return word === undefined ? "" : `; did you mean ${JSON.stringify(word)}?`;
  }
}
