/** Which of the known words did someone mean? */

/** The nearest known word by edit distance, if it is near; case does not count. */
export function nearest(text: string, known: Iterable<string>): string | undefined {
  const wanted = text.toLowerCase();
  if (wanted.length > 100) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const word of known) {
    const candidate = word.toLowerCase();
    const distance = candidate.length > 100 ? bestDistance : editDistance(wanted, candidate, bestDistance);
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; `limit` or more is given as `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let distance = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) distance = Math.min(distance, (before[j - 2] ?? 0) + 1);
      row.push(distance);
    }
    [before, last] = [last, row];
  }
  return Math.min(last[b.length] ?? limit, limit);
}

/** Words that documents themselves bring may be many, and so may misspellings: after some work there are no more suggestions. */
export class Suggestions {
  #left = 100_000;

  /** `; did you mean "podCidr"?`, or nothing. */
  didYouMean(text: string, known: readonly string[]): string {
    if (known.length > this.#left) return "";
    this.#left -= known.length;
    const word = nearest(text, known);
    return word === undefined ? "" : `; did you mean ${JSON.stringify(word)}?`;
  }
}
