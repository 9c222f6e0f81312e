# Memory cgroups as a shell sees them (M61, issue 6): /hog MEGABYTES [WORD [SECONDS]] is beside it, SWAP is a swap area that is on. Prints what does not depend on which
# pages a CPU keeps back.
log() { dmesg | sed -E 's/^\[ *[0-9.]+\] //' | grep -E 'invoked oom|^(memory|swap): |stats for|oom-kill:|[Mm]emory cgroup out|^Tasks in' | sed -E 's/(pid=|process )[0-9]+/\1N/; s/[0-9]+kB/NkB/g; s/failcnt [0-9]+/failcnt N/'; dmesg -c > /dev/null; }
in_group() { sh -c "echo \$\$ > $1/cgroup.procs; shift; $2"; }
dmesg -c > /dev/null
mkdir -p /cg; mount -t cgroup2 none /cg; cd /cg
echo "== files"
grep -c memory cgroup.controllers
ls | grep -E '^memory' | grep -vE 'pressure|zswap'
echo '+memory +pids' > cgroup.subtree_control; cat cgroup.subtree_control
mkdir a; ls a | grep -E '^memory' | grep -vE 'pressure|zswap'
ls -l a | grep -E ' memory' | grep -vE 'pressure|zswap' | cut -c1-10 | sort | uniq -c | sed 's/^ *//'
for f in current events events.local high low max min oom.group peak swap.current swap.events swap.high swap.max swap.peak; do echo $f: $(cat a/memory.$f); done
cat a/memory.stat; cut -d' ' -f1 a/memory.numa_stat
sed 's/ .*//' memory.stat
echo "== limits"
for f in max high min low swap.max; do for v in 10M 4097 max -1 x '' 0 1g 12K5 0x10000; do echo "$v" > a/memory.$f; echo "$f $v: $?" $(cat a/memory.$f); done; done 2>&1 | grep -v 'write error'
for f in high min low swap.max max; do echo 0 > a/memory.$f; done; for f in max high swap.max; do echo max > a/memory.$f; done
echo 1 > a/memory.oom.group; echo $?; echo 2 > a/memory.oom.group; echo $?; cat a/memory.oom.group; echo 0 > a/memory.oom.group
echo "== out of memory"
echo 20M > a/memory.max; echo 0 > a/memory.swap.max
in_group a '/hog 8 ok'
in_group a '/hog 30 ok; echo $?'; cat a/memory.events a/memory.events.local
log
[ $(cat a/memory.peak) = 20971520 ] && echo peak; [ $(cat a/memory.current) -lt 300000 ] && echo given back
echo "== a group in a group"
mkdir a/b; echo +memory > a/cgroup.subtree_control; echo 10M > a/b/memory.max
in_group a/b '/hog 3 x 3 & sleep 1; /hog 30 ok; echo $?; kill %1'; cat a/memory.events a/memory.events.local a/b/memory.events
sh -c 'echo $$ > a/cgroup.procs'; echo $?
log
echo 1 > a/b/memory.oom.group
in_group a/b '/hog 3 x 100 & sleep 1; /hog 30 ok; echo $?'; grep -E '^oom' a/b/memory.events
log
echo "== memory of files"
echo 0 > a/b/memory.oom.group; echo max > a/b/memory.max
in_group a/b 'dd if=/dev/zero of=/tmp/cgfile bs=1M count=3 2> /dev/null'
grep -E '^(anon|file|shmem|file_mapped) ' a/b/memory.stat
rmdir a/b; echo $?; grep -E '^(anon|file|shmem|file_mapped) ' a/memory.stat; [ $(cat a/memory.current) -gt 3145727 ] && echo still paid
rm /tmp/cgfile; grep -E '^(file|shmem) ' a/memory.stat; [ $(cat a/memory.current) -lt 300000 ] && echo given back
echo "== swap"
echo -memory > a/cgroup.subtree_control
echo max > a/memory.swap.max; echo 8M > a/memory.max
in_group a '/hog 20 went 1'
[ $(cat a/memory.peak) = 20971520 ] || echo peak
grep -E '^oom' a/memory.events; [ $(sed -n 's/^max //p' a/memory.events.local) -gt 35 ] && echo at the limit often
[ $(cat a/memory.swap.peak) -gt 10000000 ] && echo some was out
echo 4M > a/memory.swap.max
in_group a '/hog 30 no; echo $?'; grep -E '^oom' a/memory.events
log | grep -v '^swap:'
echo "== high and reclaim"
echo max > a/memory.swap.max; echo max > a/memory.max; echo 6M > a/memory.high
in_group a '/hog 12 slowly'
[ $(sed -n 's/^high //p' a/memory.events) -gt 0 ] && echo was high
echo max > a/memory.high
in_group a '/hog 8 here 100 & sleep 1; echo 4M > /cg/a/memory.reclaim; echo $?; [ $(cat /cg/a/memory.swap.current) -ge 4194304 ] && echo out; kill $!; wait'
[ $(sed -n 's/^pgsteal //p' a/memory.stat) -ge 1024 ] && echo stolen
echo 64M > a/memory.reclaim; echo $?
echo "== end"
rmdir a; echo $?; echo -memory > cgroup.subtree_control; cat cgroup.subtree_control; cd /; umount /cg
