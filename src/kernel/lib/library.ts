import type { DataExport, FunctionExport } from '../module/export.ts';
import { chachaExports } from './chacha.ts';
import { crcDataExports, crcExports } from './crc.ts';
import { genallocExports } from './genalloc.ts';
import { intervalTreeExports } from './interval_tree.ts';
import { kfifoExports } from './kfifo.ts';
import { klistExports } from './klist.ts';
import { llistExports } from './llist.ts';
import { lz4Exports } from './lz4.ts';
import { mathDataExports, mathExports } from './math.ts';
import { parserExports } from './parser.ts';
import { percpuCounterDataExports, percpuCounterExports } from './percpu_counter.ts';
import { percpuRefExports } from './percpu_ref.ts';
import { ratelimitExports } from './ratelimit.ts';
import { rbtreeExports } from './rbtree.ts';
import { scatterlistExports } from './scatterlist.ts';
import { sortExports } from './sort.ts';
import { stringHelperExports } from './string_helpers.ts';
import { textsearchDataExports, textsearchExports } from './textsearch.ts';
import { uuidDataExports, uuidExports } from './uuid.ts';
import { xorExports } from './xor.ts';
import { xarrayExports } from './xarray.ts';
import { xxhashExports } from './xxhash.ts';

// The library of data structures and algorithms that modules import (lib/).

export const libraryExports: readonly FunctionExport[] = [
  ...chachaExports,
  ...crcExports,
  ...genallocExports,
  ...intervalTreeExports,
  ...kfifoExports,
  ...klistExports,
  ...llistExports,
  ...lz4Exports,
  ...mathExports,
  ...parserExports,
  ...percpuCounterExports,
  ...percpuRefExports,
  ...ratelimitExports,
  ...rbtreeExports,
  ...scatterlistExports,
  ...sortExports,
  ...stringHelperExports,
  ...textsearchExports,
  ...uuidExports,
  ...xorExports,
  ...xarrayExports,
  ...xxhashExports,
];
export const libraryDataExports: readonly DataExport[] = [
  ...crcDataExports,
  ...mathDataExports,
  ...percpuCounterDataExports,
  ...textsearchDataExports,
  ...uuidDataExports,
];
