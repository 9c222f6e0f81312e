/** An order of objects: that in which they were first compared. */
export class ObjectOrder {
  private readonly seen = new WeakMap<object, number>();
  private next = 1;
  order(a: object | null, b: object | null): number {
    if (a === b) return 0;
    return this.number(a) < this.number(b) ? 1 : 2;
  }
  private number(o: object | null): number {
    if (o === null) return 0;
    const known = this.seen.get(o);
    if (known !== undefined) return known;
    this.seen.set(o, this.next);
    return this.next++;
  }
}
