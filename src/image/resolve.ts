import { satisfies } from './debian_version.ts';
import type { IndexPackage } from './packages_index.ts';

// Which packages an image needs: those asked for, what they depend on, and the essential ones, which everything may use without saying so
// (Debian policy 3.8, 7.1-7.5).

interface Relation {
  readonly name: string;
  readonly operator: string;
  readonly version: string;
}
/** One alternative: `name[:arch] [(op version)]`. */
export function parseRelation(text: string): Relation {
  const m = /^\s*([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?\s*$/.exec(text);
  if (m === null) throw new Error(`cannot read the dependency '${text.trim()}'`);
  return { name: m[1], operator: m[2] ?? '', version: m[3] ?? '' };
}
const matches = (version: string, r: Relation) => r.operator === '' || satisfies(version, r.operator, r.version);

/** Names of virtual packages and who provides them, with the provided version ('' = none, which meets only unversioned relations). */
function providers(index: ReadonlyMap<string, IndexPackage>): Map<string, { by: string; version: string }[]> {
  const all = new Map<string, { by: string; version: string }[]>();
  for (const p of index.values()) {
    if (p.provides === '') continue;
    for (const part of p.provides.split(',')) {
      const r = parseRelation(part);
      const list = all.get(r.name) ?? [];
      list.push({ by: p.name, version: r.version });
      all.set(r.name, list);
    }
  }
  return all;
}

/**
 * The closure of `wanted`, in an order in which every package comes after what it depends on (cycles are cut where they are entered).
 * The first alternative that can be had is taken, unless another one is in already. @throws Error that names what is missing and who needs it.
 */
export function resolvePackages(index: ReadonlyMap<string, IndexPackage>, wanted: readonly string[], essential: boolean): IndexPackage[] {
  const virtual = providers(index);
  const chosen = new Set<string>();
  const order: IndexPackage[] = [];
  const meets = (r: Relation, name: string): boolean => {
    const p = index.get(name);
    if (p === undefined) return false;
    if (name === r.name && matches(p.version, r)) return true;
    return (virtual.get(r.name) ?? []).some(
      (v) => v.by === name && (r.operator === '' || (v.version !== '' && satisfies(v.version, r.operator, r.version))),
    );
  };
  const candidates = (r: Relation) => [r.name, ...(virtual.get(r.name) ?? []).map((v) => v.by)].filter((n) => meets(r, n));
  const add = (name: string, why: string): void => {
    if (chosen.has(name)) return;
    const p = index.get(name);
    if (p === undefined) throw new Error(`there is no package ${name}${why}`);
    chosen.add(name);
    for (const group of p.depends.split(',')) {
      if (group.trim() === '') continue;
      const relations = group.split('|').map(parseRelation);
      const all = relations.flatMap(candidates);
      if (all.some((n) => chosen.has(n))) continue;
      if (all.length === 0) throw new Error(`nothing in the index meets '${group.trim()}', which ${name} needs`);
      add(all[0], ` (needed by ${name})`);
    }
    order.push(p);
  };
  if (essential) for (const p of [...index.values()].filter((q) => q.essential).sort((a, b) => (a.name < b.name ? -1 : 1))) add(p.name, '');
  for (const name of wanted) add(name, '');
  return order;
}
