/** Lists compared by the identity of what is in them: what does not differ so need not be made again. */

export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
