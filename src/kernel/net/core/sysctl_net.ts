import { EINVAL } from '../../../abi/errno.ts';
import { sysctlLive, sysctlStored, sysctlValue } from '../../fs/proc/proc_sysctl.ts';
import type { NetdevEvent } from './dev_chain.ts';
import type { NetDevice } from './net_device.ts';
import type { Kernel } from '../../kernel.ts';

// /proc/sys/net (net/core/sysctl_net_core.c, net/ipv4/sysctl_net_ipv4.c, net/ipv6/sysctl_net_ipv6.c).

const INT_MAX = 0x7fff_ffff;
/** Settings that are only kept: what they are about does not exist here, or the default is what happens. Name, value, mode when not 644. */
const CORE = (
  'bpf_jit_enable=0 bpf_jit_harden=0:600 bpf_jit_kallsyms=0:600 bpf_jit_limit=67108864:600 busy_poll=0 busy_read=0 dev_weight=64 dev_weight_rx_bias=1 ' +
  'dev_weight_tx_bias=1 devconf_inherit_init_net=0 fb_tunnels_only_for_init_net=0 flow_limit_cpu_bitmap=0 flow_limit_table_len=4096 ' +
  'gro_normal_batch=8 high_order_alloc_disable=0 max_skb_frags=17 mem_pcpu_rsv=256 message_burst=10 message_cost=5 netdev_budget=300 ' +
  'netdev_budget_usecs=8000 netdev_max_backlog=1000 netdev_tstamp_prequeue=1 netdev_unregister_timeout_secs=10 rps_default_mask=0 ' +
  'rps_sock_flow_entries=0 skb_defer_max=64 tstamp_allow_data=1 txrehash=1 warnings=0 xfrm_acq_expires=30 xfrm_aevent_etime=10 xfrm_aevent_rseqth=2 ' +
  'xfrm_larval_drop=1'
).split(' ');
const IPV4 = (
  'tcp_abort_on_overflow=0 tcp_adv_win_scale=1 tcp_app_win=31 tcp_autocorking=1 tcp_backlog_ack_defer=1 tcp_base_mss=1024 ' +
  'tcp_challenge_ack_limit=2147483647 tcp_child_ehash_entries=0 tcp_comp_sack_delay_ns=1000000 tcp_comp_sack_nr=44 tcp_comp_sack_slack_ns=100000 ' +
  'tcp_dsack=1 tcp_early_demux=1 tcp_early_retrans=3 tcp_ecn=2 tcp_ecn_fallback=1 tcp_ehash_entries=8192:444 tcp_fack=0 tcp_fastopen=1 ' +
  'tcp_fastopen_blackhole_timeout_sec=0 tcp_frto=2 tcp_fwmark_accept=0 tcp_invalid_ratelimit=500 tcp_l3mdev_accept=0 tcp_limit_output_bytes=1048576 ' +
  'tcp_low_latency=0 tcp_max_orphans=4096 tcp_max_reordering=300 tcp_max_syn_backlog=128 tcp_max_tw_buckets=4096 tcp_migrate_req=0 ' +
  'tcp_min_rtt_wlen=300 tcp_min_snd_mss=48 tcp_min_tso_segs=2 tcp_moderate_rcvbuf=1 tcp_mtu_probe_floor=48 tcp_mtu_probing=0 tcp_no_metrics_save=0 ' +
  'tcp_no_ssthresh_metrics_save=1 tcp_orphan_retries=0 tcp_pacing_ca_ratio=120 tcp_pacing_ss_ratio=200 tcp_pingpong_thresh=1 tcp_plb_cong_thresh=128 ' +
  'tcp_plb_enabled=0 tcp_plb_idle_rehash_rounds=3 tcp_plb_rehash_rounds=12 tcp_plb_suspend_rto_sec=60 tcp_probe_interval=600 tcp_probe_threshold=8 ' +
  'tcp_recovery=1 tcp_reflect_tos=0 tcp_reordering=3 tcp_retrans_collapse=1 tcp_retries1=3 tcp_rfc1337=0 tcp_rto_min_us=200000 tcp_sack=1 ' +
  'tcp_shrink_window=0 tcp_slow_start_after_idle=1 tcp_stdurg=0 tcp_syncookies=1 tcp_thin_linear_timeouts=0 tcp_timestamps=1 tcp_tso_rtt_log=9 ' +
  'tcp_tso_win_divisor=3 tcp_window_scaling=1 tcp_workaround_signed_windows=0 udp_child_hash_entries=0 udp_early_demux=1 udp_hash_entries=512:444 ' +
  'udp_l3mdev_accept=0 udp_rmem_min=4096 udp_wmem_min=4096 ip_autobind_reuse=0 ip_dynaddr=0 ip_early_demux=1 ip_forward=0 ' +
  'ip_forward_update_priority=1 ip_forward_use_pmtu=0 ip_no_pmtu_disc=0 ip_nonlocal_bind=0 icmp_echo_enable_probe=0 icmp_echo_ignore_all=0 ' +
  'icmp_echo_ignore_broadcasts=1 icmp_errors_use_inbound_ifaddr=0 icmp_ignore_bogus_error_responses=1 icmp_msgs_burst=50 icmp_msgs_per_sec=1000 ' +
  'icmp_ratelimit=1000 icmp_ratemask=6168 inet_peer_maxttl=600 inet_peer_minttl=120 inet_peer_threshold=51238 igmp_link_local_mcast_reports=1 ' +
  'igmp_max_memberships=20 igmp_max_msf=10 igmp_qrv=2 fib_multipath_hash_fields=7 fib_multipath_hash_policy=0 fib_multipath_hash_seed=0 ' +
  'fib_multipath_use_neigh=0 fib_notify_on_flag_change=0 fib_sync_mem=524288 ipfrag_high_thresh=4194304 ipfrag_low_thresh=3145728 ipfrag_max_dist=64 ' +
  'ipfrag_secret_interval=0 ipfrag_time=30'
).split(' ');
const IPV6 = (
  'anycast_src_echo_reply=0 auto_flowlabels=1 calipso_cache_bucket_size=10 calipso_cache_enable=1 fib_multipath_hash_fields=7 ' +
  'fib_multipath_hash_policy=0 fib_notify_on_flag_change=0 flowlabel_consistency=1 flowlabel_reflect=0 flowlabel_state_ranges=0 fwmark_reflect=0 ' +
  'idgen_delay=1 idgen_retries=3 ioam6_id=16777215 ioam6_id_wide=72057594037927935 ip6frag_high_thresh=4194304 ip6frag_low_thresh=3145728 ' +
  'ip6frag_secret_interval=0 ip6frag_time=60 ip_nonlocal_bind=0 max_dst_opts_length=2147483647 max_dst_opts_number=8 max_hbh_length=2147483647 ' +
  'max_hbh_opts_number=8 mld_max_msf=64 mld_qrv=2 seg6_flowlabel=0 xfrm6_gc_thresh=32768'
).split(' ');
/** Of an interface. */
const CONF4 = (
  'accept_local=0 accept_redirects=1 accept_source_route=1 arp_accept=0 arp_announce=0 arp_evict_nocarrier=1 arp_filter=0 arp_ignore=0 arp_notify=0 ' +
  'bc_forwarding=0 bootp_relay=0 disable_policy=1 disable_xfrm=1 drop_gratuitous_arp=0 drop_unicast_in_l2_multicast=0 force_igmp_version=0 ' +
  'forwarding=0 igmpv2_unsolicited_report_interval=10000 igmpv3_unsolicited_report_interval=1000 ignore_routes_with_linkdown=0 log_martians=0 ' +
  'mc_forwarding=0:444 medium_id=0 promote_secondaries=0 proxy_arp=0 proxy_arp_pvlan=0 route_localnet=0 rp_filter=0 secure_redirects=1 ' +
  'send_redirects=1 shared_media=1 src_valid_mark=0 tag=0'
).split(' ');
const CONF6 = (
  'accept_dad=-1 accept_ra=1 accept_ra_defrtr=1 accept_ra_from_local=0 accept_ra_min_hop_limit=1 accept_ra_min_lft=0 accept_ra_mtu=1 ' +
  'accept_ra_pinfo=1 accept_ra_rt_info_max_plen=0 accept_ra_rt_info_min_plen=0 accept_ra_rtr_pref=1 accept_redirects=1 accept_source_route=0 ' +
  'accept_untracked_na=0 addr_gen_mode=0 autoconf=1 dad_transmits=1 disable_ipv6=0 disable_policy=0 drop_unicast_in_l2_multicast=0 ' +
  'drop_unsolicited_na=0 enhanced_dad=1 force_mld_version=0 force_tllao=0 forwarding=0 hop_limit=64 ignore_routes_with_linkdown=0 ioam6_enabled=0 ' +
  'ioam6_id=65535 ioam6_id_wide=4294967295 keep_addr_on_down=0 max_addresses=16 max_desync_factor=600 mc_forwarding=0:444 ' +
  'mldv1_unsolicited_report_interval=10000 mldv2_unsolicited_report_interval=1000 mtu=65536 ndisc_evict_nocarrier=1 ndisc_notify=0 ndisc_tclass=0 ' +
  'optimistic_dad=0 proxy_ndp=0 ra_defrtr_metric=1024 ra_honor_pio_life=0 ra_honor_pio_pflag=0 regen_max_retry=3 regen_min_advance=2 ' +
  'router_probe_interval=60 router_solicitation_delay=1 router_solicitation_interval=4 router_solicitation_max_interval=3600 router_solicitations=-1 ' +
  'rpl_seg_enabled=0 seg6_enabled=0 seg6_require_hmac=0 suppress_frag_ndisc=1 temp_prefered_lft=86400 temp_valid_lft=604800 use_oif_addrs_only=0 ' +
  'use_optimistic=0 use_tempaddr=-1'
).split(' ');
/** What is different for all interfaces and for those to come. */
const DEFAULT4 = ['disable_policy=0', 'disable_xfrm=0'];
const ALL4 = [...DEFAULT4, 'accept_source_route=0'];
const DEFAULT6 = ['accept_dad=1', 'mtu=1280', 'use_tempaddr=0'];
const ALL6 = ['accept_dad=0', 'mtu=1280', 'use_tempaddr=0'];

const ROW = /^([^=]+)=(-?\d+)(?::(\d+))?$/;
function stored(k: Kernel, dir: string, rows: readonly string[]): void {
  for (const r of rows) {
    const [, name, value, mode] = ROW.exec(r) as RegExpExecArray;
    const n = Number(value);
    sysctlStored(k, `net/${dir}/${name}`, n, -INT_MAX - 1, Math.max(INT_MAX, n), mode === undefined ? 0o644 : Number.parseInt(mode, 8));
  }
}
/** A setting of several numbers in one file. */
function vector(k: Kernel, path: string, get: (k: Kernel) => number[], set: (k: Kernel, v: number[]) => number): void {
  k.procfs.create(`sys/net/${path}`, (kk) => `${get(kk).join('\t')}\n`, {
    strict: true,
    mode: 0o644,
    store: (kk, text) => {
      const words = text.trim().split(/[\s\0]+/);
      if (words.some((w) => !/^\d+$/.test(w)) || words.length > get(kk).length) return -EINVAL;
      // Fewer numbers leave the later ones as they are.
      return set(kk, get(kk).map((old, i) => (i < words.length ? Number(words[i]) : old)));
    },
  });
}
function text(k: Kernel, path: string, value: string, mode = 0o644): void {
  k.procfs.create(`sys/net/${path}`, () => `${value}\n`, { strict: true, mode });
}
type NumberKey = {
  [P in keyof Kernel['net']]: Kernel['net'][P] extends number ? P : never;
}[keyof Kernel['net']];
/** Settings with an effect: path, where it is kept, least and largest value. */
const LIVE: readonly (readonly [string, NumberKey, number, number])[] = [
  ['core/rmem_default', 'rmemDefault', 2304, INT_MAX],
  ['core/rmem_max', 'rmemMax', 2304, INT_MAX],
  ['core/wmem_default', 'wmemDefault', 4608, INT_MAX],
  ['core/wmem_max', 'wmemMax', 4608, INT_MAX],
  ['core/somaxconn', 'somaxconn', 0, INT_MAX],
  ['core/optmem_max', 'optmemMax', 0, INT_MAX],
  ['ipv4/ip_default_ttl', 'defaultTtl', 1, 255],
  ['ipv4/ip_unprivileged_port_start', 'unprivilegedPortStart', 0, 65535],
  ['ipv4/tcp_fin_timeout', 'tcpFinTimeout', 0, INT_MAX],
  ['ipv4/tcp_keepalive_intvl', 'tcpKeepaliveIntvl', 0, INT_MAX],
  ['ipv4/tcp_keepalive_probes', 'tcpKeepaliveProbes', 0, 255],
  ['ipv4/tcp_keepalive_time', 'tcpKeepaliveTime', 0, INT_MAX],
  ['ipv4/tcp_notsent_lowat', 'tcpNotsentLowat', 0, 0xffff_ffff],
  ['ipv4/tcp_retries2', 'tcpRetries2', 0, 255],
  ['ipv4/tcp_syn_linear_timeouts', 'tcpSynLinear', 0, 127],
  ['ipv4/tcp_syn_retries', 'tcpSynRetries', 1, 127],
  ['ipv4/tcp_synack_retries', 'tcpSynackRetries', 0, 255],
  ['ipv4/tcp_tw_reuse', 'tcpTwReuse', 0, 2],
  ['ipv6/bindv6only', 'bindv6only', 0, 1],
];

const withChanges = (rows: readonly string[], changes: readonly string[]) => rows.map((r) => changes.find((c) => c.split('=')[0] === r.split('=')[0]) ?? r);

/** The settings of an interface: what `default` says when it is registered (inetdev_init, ipv6_add_dev). */
function confEvent(k: Kernel, dev: NetDevice, event: NetdevEvent): void {
  if (event === 'register') copyConf(k, 'default', dev.name);
  if (event === 'rename') copyConf(k, dev.confName, dev.name);
  if (event === 'rename' || event === 'unregister') for (const dir of CONF_DIRS) k.procfs.remove(`sys/net/${dir}/${dev.confName}`);
  if (event === 'register' || event === 'rename') dev.confName = dev.name;
}
const CONF_DIRS = ['ipv4/conf', 'ipv6/conf'];
function copyConf(k: Kernel, from: string, to: string): void {
  for (const [dir, rows] of [[CONF_DIRS[0], CONF4], [CONF_DIRS[1], CONF6]] as const) {
    const path = `${dir}/${from}`;
    const values = rows.map((r) => {
      const [, name, value, mode] = ROW.exec(r) as RegExpExecArray;
      return `${name}=${sysctlValue(k, `net/${path}/${name}`, Number(value))}${mode === undefined ? '' : `:${mode}`}`;
    });
    stored(k, `${dir}/${to}`, values);
  }
}
/** Does IPv6 leave the interface alone? */
export function disableIpv6(k: Kernel, dev: NetDevice): boolean {
  return [dev.name, 'all'].some((name) => sysctlValue(k, `net/ipv6/conf/${name}/disable_ipv6`, 0) !== 0);
}
export function netSysctlInit(k: Kernel): void {
  for (const [path, key, min, max] of LIVE) sysctlLive(k, `net/${path}`, { get: (kk) => kk.net[key], set: (kk, n) => (kk.net[key] = n), min, max });
  stored(k, 'core', CORE);
  stored(k, 'ipv4', IPV4);
  stored(k, 'ipv6', IPV6);
  for (const name of ['all', 'default', 'lo']) {
    stored(k, `ipv4/conf/${name}`, name === 'lo' ? CONF4 : withChanges(CONF4, name === 'all' ? ALL4 : DEFAULT4));
    stored(k, `ipv6/conf/${name}`, name === 'lo' ? CONF6 : withChanges(CONF6, name === 'all' ? ALL6 : DEFAULT6));
  }
  k.net.notifiers.unshift(confEvent);
  vector(k, 'ipv4/ip_local_port_range', (kk) => kk.net.portRange, (kk, [low, high]) => {
    if (low < 1 || high > 65535 || low > high) return -EINVAL;
    kk.net.portRange = [low, high];
    return 0;
  });
  vector(k, 'ipv4/ping_group_range', (kk) => kk.net.pingGroupRange, (kk, [low, high]) => {
    if (high > INT_MAX) return -EINVAL;
    kk.net.pingGroupRange = low > high ? [1, 0] : [low, high];
    return 0;
  });
  vector(k, 'ipv4/tcp_rmem', (kk) => kk.net.tcpRmem, (kk, v) => {
    if (v.some((n) => n < 1 || n > INT_MAX)) return -EINVAL;
    kk.net.tcpRmem = [v[0], v[1], v[2]];
    return 0;
  });
  vector(k, 'ipv4/tcp_wmem', (kk) => kk.net.tcpWmem, (kk, v) => {
    if (v.some((n) => n < 1 || n > INT_MAX)) return -EINVAL;
    kk.net.tcpWmem = [v[0], v[1], v[2]];
    return 0;
  });
  // A quarter of memory at most, and half and three quarters of that (tcp_init_mem; udp_init).
  const quarter = Math.max(Math.floor(k.mm.pages.managedPages / 16), 128);
  const third = Math.floor(quarter / 4) * 3;
  text(k, 'ipv4/tcp_mem', `${third}\t${quarter}\t${third * 2}`);
  text(k, 'ipv4/udp_mem', `${third * 2}\t${quarter * 2}\t${third * 4}`);
  text(k, 'ipv4/tcp_available_congestion_control', 'reno cubic', 0o444);
  text(k, 'ipv4/tcp_allowed_congestion_control', 'reno cubic');
  text(k, 'ipv4/tcp_congestion_control', 'cubic');
  text(k, 'ipv4/ip_local_reserved_ports', '');
  text(k, 'core/default_qdisc', 'fq_codel');
}
