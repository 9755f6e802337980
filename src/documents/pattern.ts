/** Names with wildcards: `*` is any text, `?` any character, everything else itself. */

export function isPattern(text: string): boolean {
  return /[*?]/.test(text);
}

/** Compared greedily from left to right, which is linear enough for names. */
export function matchesPattern(name: string, pattern: string): boolean {
  let [at, star, from] = [0, -1, 0];
  let i = 0;
  while (i < name.length) {
    if (at < pattern.length && pattern[at] === "*") {
      star = at++;
      from = i;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === name[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++from;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
