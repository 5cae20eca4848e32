"""Twenty ways in which load balancers go wrong, and the test that shows ours does not.

`promise("what must hold", "path/test.py::test_name")`, below `tests/`.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Promise(NamedTuple):
    what: str
    test: str


class Pitfall(NamedTuple):
    what: str
    promises: tuple[Promise, ...]


def promise(what: str, test: str) -> Promise:
    return Promise(what, test)


_HEAD = "alb/decide/test_head.py::test_what_has_no_one_meaning_is_refused"
_READ = "alb/decide/test_head.py::test_what_has_one_meaning_is_read"
_REFUSED = "alb/app/test_refusals.py::test_what_is_ambiguous_is_refused_and_closed"
_CHUNKS = "alb/decide/test_chunked.py::test_what_is_no_chunk_is_malformed"
_ANSWER = "alb/app/test_response_side.py::test_an_answer_reaches_its_client_and_nothing_else_does"
_CUT_SHORT = "alb/app/test_response_side.py::test_what_is_cut_short_ends_in_a_reset_and_is_followed_by_nothing"
_EARLY = "alb/app/test_response_side.py::test_an_answer_before_the_body_was_read_ends_both_connections"
_MACHINE = "alb/app/test_exchange_machine.py::what_is_in_flight_is_counted"
_LEAVES = "alb/app/test_aborts.py::test_a_client_may_leave_at_any_stage"
_SLOW = "live/test_slow_and_many.py"
_FIDELITY = "alb/app/test_fidelity.py"
_SPELLINGS = "alb/decide/test_path_spellings.py"
_WEBSOCKET = (
    "alb/app/test_responses.py::test_a_websocket_is_a_tunnel_from_the_first_byte"
)
_NODE = "live/test_node.py"

PITFALLS: Final = (
    Pitfall("Framing of two meanings", (
        promise("two lengths, two framings, odd lengths, odd codings are refused", _HEAD),
        promise("and their connection ends, with nothing sent on", _REFUSED),
        promise("AWS's own cases get its tiers, or are refused", "alb/test_desync_corpus.py::test_a_mode_serves_what_awss_does_or_less"),
        promise("no target sees two requests for one", "alb/test_desync_corpus.py::test_a_target_never_sees_two_requests_for_one_sent"),
        promise("every server reads what is sent on alike", "alb/app/test_one_reading.py::test_every_server_reads_the_same_requests"),
        promise("what is served though ambiguous closes both sides", "alb/app/test_exchange.py::test_a_connection_that_may_not_be_clean_is_not_used_again"),
    )),
    Pitfall("Chunks", (
        promise("bare line feeds, prefixes, signs, huge sizes, missing ends are malformed", _CHUNKS),
        promise("and are 400, and end", "alb/app/test_refusals.py::test_a_malformed_chunked_body_is_400_and_ends"),
        promise("trailers are no headers", f"{_FIDELITY}::test_trailers_are_no_headers_and_end_here"),
        promise("what is kept is bounded", "alb/decide/test_chunked.py::test_what_is_kept_between_feeds_is_bounded"),
    )),
    Pitfall("A target's answer that is cut short", (
        promise("its client sees a reset, and no other answer behind it", _CUT_SHORT),
        promise("also where the end of the connection is the framing", "alb/app/test_response_side.py::test_a_reset_of_what_lasts_until_the_end_is_no_end"),
        promise("on the wire", "alb/app/test_failures.py::test_a_truncated_response_cannot_be_taken_for_whole"),
        promise("it is logged, though the status was 200", "alb/app/test_access_log.py::test_each_ending_is_told_once"),
    )),
    Pitfall("More than the answer, or unasked", (
        promise("excess, second answers, storms of 1xx, switches: discarded", _ANSWER),
        promise("bytes on an idle connection discard it", "alb/app/test_exchange.py::test_bytes_nobody_asked_for_end_a_pooled_connection"),
        promise("no answer reaches another client", "alb/app/test_response_side.py::test_no_answer_whatever_it_is_reaches_another_client"),
    )),
    Pitfall("HEAD, 204, 304, 1xx", (
        promise("no body is passed on, the connection lives on if there was none", _ANSWER),
        promise("HEAD keeps the length", "alb/app/test_responses.py::test_head_gets_the_length_and_no_body"),
        promise("which answers have a body", "alb/decide/test_response.py::test_which_answers_have_a_body"),
    )),
    Pitfall("Hop by hop", (
        promise("headers of the connection end here", "alb/app/test_requests.py::test_hop_by_hop_headers_end_here"),
        promise("and those it names, but not ours", "alb/app/test_requests.py::test_connection_names_headers_that_end_here_but_not_ours"),
        promise("one Host and one framing are sent on", "alb/app/test_exchange.py::test_what_is_sent_on_has_one_host_and_one_framing"),
    )),
    Pitfall("A target that closes as we send", (
        promise("a connection that ended is not written to", "alb/app/test_failures.py::test_a_pooled_connection_that_ended_is_never_written_to"),
        promise("what may have been seen is not sent twice", "alb/app/test_failures.py::test_what_is_no_response_is_502"),
        promise("a fresh connection that fails is tried elsewhere", "alb/app/test_failures.py::test_a_refused_connection_is_tried_elsewhere"),
        promise("what is safe is tried once more on a new connection", "alb/app/test_retries.py::test_or_on_a_new_connection_to_the_only_one"),
    )),
    Pitfall("Slow clients", (
        promise("heads that trickle are 408 by their deadline", f"{_SLOW}::test_heads_that_trickle_are_ended_by_their_deadline"),
        promise("bodies that stop are 408 and free their target", f"{_SLOW}::test_bodies_that_stop_coming_free_their_target"),
        promise("readers that stop cost a bounded memory and end", f"{_SLOW}::test_readers_that_stop_cost_a_bounded_memory_and_are_ended"),
        promise("a body larger than memory streams flat", "alb/app/test_hostile_clients.py::test_a_body_larger_than_memory_streams_flat_both_ways"),
        promise("who reads slowly is not idle", "alb/app/test_exchange.py::test_a_slow_reader_gets_the_end_of_its_last_response"),
    )),
    Pitfall("Clients that leave", (
        promise("at any stage: counted as 460, everything comes back", _LEAVES),
        promise("while paused, on the wire", f"{_SLOW}::test_who_leaves_while_paused_frees_the_target_at_once"),
        promise("in storms of resets", f"{_SLOW}::test_storms_of_resets_leave_nothing_behind"),
        promise("whatever happens in whatever order, in flight is counted", _MACHINE),
        promise("time ends what nobody ends", "alb/app/test_aborts.py::test_time_ends_every_stage"),
    )),
    Pitfall("Expect: 100-continue", (
        promise("answered at once, and ends here", "alb/app/test_requests.py::test_expect_is_answered_at_once_and_ends_here"),
        promise("once, and never to HTTP/1.0", f"{_FIDELITY}::test_there_is_one_100_for_who_expects_it_and_knows_it"),
        promise("an early answer arrives, and then the connection ends", f"{_FIDELITY}::test_an_early_answer_to_who_expects_100_ends_cleanly"),
        promise("though the body does not end", "alb/app/test_failures.py::test_an_early_answer_arrives_though_the_body_does_not_end"),
    )),
    Pitfall("Upgrade", (
        promise("a tunnel from the first byte of either side", _WEBSOCKET),
        promise("a refused one is HTTP, and what follows is read as such", "alb/app/test_responses.py::test_a_refused_upgrade_is_an_ordinary_answer"),
        promise("with a body it is refused, and h2c goes nowhere", _HEAD),
        promise("each half may end first", "alb/app/test_exchange.py::test_a_tunnel_ends_when_both_sides_have_and_all_was_sent"),
        promise("it outlives changes, and ends when nothing passes", "alb/app/test_aborts.py::test_a_tunnel_outlives_changes_and_ends_when_nothing_passes"),
        promise("it is cut when its target's delay has passed", "alb/app/test_aborts.py::test_a_deregistered_target_is_cut_off_at_any_stage"),
    )),
    Pitfall("Host", (
        promise("rules and target see the same one", f"{_FIDELITY}::test_the_host_that_rules_saw_is_the_one_that_is_sent"),
        promise("doubled, lists, users, without brackets: refused", _HEAD),
        promise("capitals, ports, brackets are read", _READ),
        promise("protocol and port are overwritten", f"{_FIDELITY}::test_what_is_said_of_protocol_and_port_is_ours"),
    )),
    Pitfall("Paths", (
        promise("no spelling reaches what is protected", f"{_SPELLINGS}::test_what_is_protected_is_reached_by_no_spelling"),
        promise("nor anything but what is admitted", f"{_SPELLINGS}::test_nothing_but_what_is_admitted_is_reached"),
        promise("spelling by spelling", f"{_SPELLINGS}::test_what_is_sent_where_admin_is_kept"),
        promise("with real servers behind", "alb/test_path_readings.py::test_no_server_reads_a_path_that_is_protected"),
        promise("no expression takes longer than its text", "alb/decide/test_regex.py::test_what_makes_others_backtrack_only_takes_its_length"),
    )),
    Pitfall("X-Forwarded-For", (
        promise("lists and lines become one, however large", f"{_FIDELITY}::test_forwarders_of_several_lines_are_one_list"),
        promise("more than 30 are 463", "alb/app/test_refusals.py::test_at_most_30_forwarders_may_have_gone_before"),
        promise("IPv6, with a port in brackets", "alb/app/test_dualstack.py::test_a_target_is_told_the_address_of_either_kind"),
        promise("appended, preserved, removed", "alb/app/test_attributes.py::test_x_forwarded_for_as_the_mode_has_it"),
    )),
    Pitfall("Sending again", (
        promise("three targets at most, none twice, while none accepts", "alb/app/test_exchange.py::test_a_refused_connection_is_tried_elsewhere_three_times"),
        promise("every attempt is logged", "alb/app/test_access_log.py::test_each_ending_is_told_once"),
        promise("for lack of ours nobody is blamed", f"{_SLOW}::test_without_a_port_left_another_target_is_tried_and_none_is_blamed"),
        promise("a budget caps amplification", "alb/app/test_retries.py::test_when_all_targets_fail_they_get_a_fifth_more_to_do"),
        promise("never when the body is not at hand any more", "alb/app/test_retries.py::test_a_large_body_is_sent_once"),
        promise("each attempt stands in the log", "alb/app/test_retries.py::test_the_access_log_lists_each_attempt"),
    )),
    Pitfall("Draining", (
        promise("nothing more comes, nothing is lost", f"{_NODE}::test_a_drained_target_gets_nothing_more_and_loses_nothing"),
        promise("what outlives the delay is cut and counted", f"{_NODE}::test_what_outlives_the_deregistration_delay_is_cut_and_counted"),
        promise("told at once when idle", "alb/app/test_exchange.py::test_a_target_that_drains_is_told_of_when_its_last_request_ends"),
        promise("a frozen worker does not hold it up", f"{_NODE}::test_a_frozen_worker_does_not_hold_up_a_drain"),
        promise("registering again ends it", "alb/state/test_registrations.py::test_registering_while_draining_ends_the_draining"),
        promise("an address used by another gets new connections", "alb/state/test_table.py::test_another_address_is_another_place_with_other_connections"),
    )),
    Pitfall("Health", (
        promise("before the first check no traffic; then by streaks", "alb/decide/test_health.py::test_streaks"),
        promise("the reason is told", "alb/decide/test_health.py::test_the_state_carries_its_reason"),
        promise("lists and ranges match", "alb/decide/test_health.py::test_matcher"),
        promise("who gets requests where none is healthy", "alb/decide/test_balance.py::test_eligible"),
        promise("unused groups are not checked", "alb/app/test_prober.py::test_a_group_nobody_forwards_to_is_not_checked"),
        promise("our own stall is not the target's fault", "alb/drivers/test_probe.py::test_our_own_stall_is_not_the_targets_fault"),
        promise("nor is our lack of descriptors", "alb/drivers/test_probe.py::test_our_own_lack_of_descriptors_says_nothing"),
    )),
    Pitfall("Balancing", (
        promise("turns are exact whatever comes and goes", "alb/decide/test_balance.py::test_whatever_comes_and_goes_those_that_stay_are_picked_alike"),
        promise("weights are exact, 0 is none", "alb/decide/test_balance.py::test_a_whole_round_gives_each_group_its_weight"),
        promise("one that cannot be reached attracts nothing", "alb/state/test_table.py::test_one_that_could_not_be_reached_is_passed_over_for_a_moment"),
        promise("ties are nobody's advantage", "alb/decide/test_choosers.py::test_equals_are_chosen_alike"),
        promise("a new target gets what levels it, no herd", "alb/app/test_algorithms.py::test_a_new_target_gets_what_levels_it_and_no_more"),
        promise("one that fails at once draws nothing more than others", "alb/app/test_algorithms.py::test_a_target_that_fails_at_once_does_not_draw_every_request"),
        promise("a tampered cookie is none", "alb/decide/test_sealing.py::test_a_value_that_was_tampered_with_does_not_open"),
        promise("nor is one that is encoded, or of another group", "alb/app/test_stickiness.py::test_a_cookie_of_another_group_is_not_taken"),
        promise("nor is one of a target that is not to be chosen", "alb/app/test_stickiness.py::test_who_drains_or_has_left_or_is_ill_is_left_at_once"),
    )),
    Pitfall("Fidelity of headers", (
        promise("of requests: order, case, doubles, empty, any octet, 16 K, over 100", f"{_FIDELITY}::test_headers_of_a_request_pass_in_order_and_octet_by_octet"),
        promise("of answers too, cookies unfolded", f"{_FIDELITY}::test_headers_of_an_answer_pass_in_order_and_octet_by_octet"),
        promise("an answer's head of more than 32 K is 502", _ANSWER),
        promise("redirects inject nothing", "alb/decide/test_redirect.py::test_nothing_that_came_can_end_the_header"),
        promise("nor do transforms", "alb/decide/test_rewrite.py::test_what_is_sent_could_have_been_received"),
        promise("nor fixed answers", "alb/decide/test_fixed.py::test_nothing_can_end_a_header_early"),
        promise("nor log lines", "alb/decide/test_access_log.py::test_no_client_can_forge_a_line_or_a_field"),
    )),
    Pitfall("Changing under load", (
        promise("ten changes a second disturb nobody", "live/test_live_change.py::test_ten_changes_a_second_disturb_no_request_upload_or_tunnel"),
        promise("an upgrade loses no request and no tunnel", "live/test_upgrade.py::test_an_upgrade_under_load_loses_no_request_and_no_tunnel"),
        promise("and ends within a bound", "live/test_upgrade.py::test_what_outlives_the_drain_timeout_is_cut_and_counted"),
        promise("totals never decrease", "alb/state/test_fleet.py::test_totals_never_decrease_and_lose_nothing_that_was_said"),
    )),
    Pitfall("And besides", (
        promise("ten thousand idle connections harm nobody", f"{_SLOW}::test_ten_thousand_idle_connections_harm_nobody"),
        promise("files run out: rejected, counted, no busy loop", f"{_SLOW}::test_connections_beyond_what_may_be_open_are_rejected_and_counted"),
        promise("and even then it recovers", f"{_SLOW}::test_without_a_file_left_the_node_recovers_by_itself"),
        promise("ports run out: nobody is blamed", f"{_SLOW}::test_without_a_port_left_another_target_is_tried_and_none_is_blamed"),
        promise("targets by IPv6", "alb/app/test_dualstack.py::test_targets_may_have_addresses_of_ipv6"),
        promise("a full disk costs lines and no request", "alb/app/test_access_log.py::test_a_disk_that_hangs_costs_lines_and_never_waits"),
    )),
)  # fmt: skip
