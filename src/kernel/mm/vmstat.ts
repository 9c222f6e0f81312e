/** What memory is used for, in pages, and events since boot (mm/vmstat.c). Frames that a count below does not name are free or reserved. */
export class VmStat {
  /** Pages of anonymous memory that some page table maps (NR_ANON_MAPPED). */
  anonPages = 0;
  /** Page cache: all of it, what of it is tmpfs or shared memory, and what of it some page table maps. */
  filePages = 0;
  shmemPages = 0;
  fileMapped = 0;
  pageTablePages = 0;
  slabReclaimable = 0;
  slabUnreclaimable = 0;
  vmallocPages = 0;
  /** Pages in the buffers of pipes. */
  pipePages = 0;
  /** Pages of private writable areas: what could be needed at most (Committed_AS). */
  committed = 0;

  pgfault = 0;
  pgmajfault = 0;
  pgreuse = 0;
  oomKill = 0;
  /** Pages that reclaim looked at and freed: by kswapd or by who wanted memory, of files or not. */
  pgscanKswapd = 0;
  pgscanDirect = 0;
  pgstealKswapd = 0;
  pgstealDirect = 0;
  pgscanAnon = 0;
  pgscanFile = 0;
  pgstealAnon = 0;
  pgstealFile = 0;
  pgactivate = 0;
  pgdeactivate = 0;
  pgrefill = 0;
  allocstall = 0;
  pageoutrun = 0;
  kswapdHighQuickly = 0;
  unevictableCulled = 0;
  refaultFile = 0;
  refaultAnon = 0;
  activateFile = 0;
  activateAnon = 0;
  dropPagecache = 0;
  dropSlab = 0;
  slabsScanned = 0;
}
