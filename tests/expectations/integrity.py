"""A healthy table of integrity flags, and the defects that its suite finds."""

from __future__ import annotations

FLAGS = "marts.appraisal__integrity_flag"

TABLES = """
create table appraisal.integrity_flag (
    flag_id varchar, period_code varchar, employee_id varchar, customer_id varchar, flag_kind varchar,
    value decimal(28,8), evidence_zh varchar, through_date date, is_final boolean, policy_version varchar,
    is_frozen boolean
);
insert into appraisal.integrity_flag values
    ('f1', '2026Q3', 'e1', '001', 'in_and_out', 990, '客户001过夜990元。', '2026-09-30', true, 'appraisal@1', false),
    ('f2', '2026Q3', 'e1', '002', 'in_and_out', 500, '客户002过夜500元。', '2026-09-30', true, 'appraisal@1', false),
    ('f3', '2026Q3', 'e1', '', 'bunching', 8, '刚过一档的有8户。', '2026-09-30', true, 'appraisal@1', false),
    ('f4', '2026Q2', 'e1', '', 'bunching', 7, '刚过一档的有7户。', '2026-06-30', true, 'appraisal@1', true);
"""

DEFECTS = [
    (FLAGS, "update {t} set customer_id = '001' where flag_id = 'f2'", {"flag_appears_once"}),
    (FLAGS, "update {t} set period_code = null where flag_id = 'f3'", {"flag_appears_once"}),
    (FLAGS, "update {t} set employee_id = null where flag_id = 'f3'", {"flag_appears_once"}),
    (FLAGS, "update {t} set customer_id = null where flag_id = 'f3'", {"flag_appears_once", "kinds_are_known"}),
    (FLAGS, "update {t} set flag_kind = null where flag_id = 'f3'", {"flag_appears_once", "kinds_are_known"}),
    (FLAGS, "update {t} set flag_kind = 'whim' where flag_id = 'f3'", {"kinds_are_known"}),
    (FLAGS, "update {t} set customer_id = '' where flag_id = 'f1'", {"kinds_are_known"}),
    (FLAGS, "update {t} set customer_id = '001' where flag_id = 'f3'", {"kinds_are_known"}),
    (FLAGS, "update {t} set value = null where flag_id = 'f1'", {"evidence_is_a_sentence_with_numbers"}),
    (FLAGS, "update {t} set value = -1 where flag_id = 'f1'", {"evidence_is_a_sentence_with_numbers"}),
    (FLAGS, "update {t} set evidence_zh = null where flag_id = 'f1'", {"evidence_is_a_sentence_with_numbers"}),
    (FLAGS, "update {t} set evidence_zh = '990' where flag_id = 'f1'", {"evidence_is_a_sentence_with_numbers"}),
    (FLAGS, "update {t} set employee_id = 'pool:b1' where flag_id = 'f1'", {"queues_are_not_flagged"}),
    (FLAGS, "update {t} set policy_version = null where flag_id = 'f1'", {"policy_version_is_known"}),
]
