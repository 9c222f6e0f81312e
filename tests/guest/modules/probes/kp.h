/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Functions of kp_target and marks in them: a mark is where an instruction begins. */
int kp_traced(int a, int b);
long kp_plain(long a);
long kp_loads(long *at);
long kp_steps(long a, long *at);
long kp_refused(void);
extern char kp_m_add[], kp_m_auipc[], kp_m_wide[], kp_m_branch[], kp_m_cbeqz[], kp_m_cbnez[], kp_m_store[], kp_m_cj[], kp_m_cjalr[], kp_m_jal[], kp_m_cjr[],
	kp_m_jalr[], kp_m_move[], kp_m_ret[], kp_m_csr[], kp_m_fence[], kp_m_fencei[], kp_m_lr[], kp_m_sc[], kp_m_amo[], kp_m_ebreak[], kp_m_cebreak[], kp_m_caddiw[], kp_m_cmv[];
