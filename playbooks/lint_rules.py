"""The rules of the linter, in one table: id, section of CACAO v2.0, severity, text.

Flows in: nothing. Flows out: `RULES`, printed by `tocsin playbook lint --rules` and told in docs/playbooks.md (a test
compares). An error breaks a MUST of the standard, or a safety rule of ours (marked so); a warning breaks a SHOULD, is
unwise, or is a MUST that the field breaks harmlessly (marked so).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: findings refer to it by its id."""

    id: str
    section: str  # of CACAO v2.0, Committee Specification 01
    severity: Literal["error", "warning"]
    text: str


_TABLE = """
required | 3-10 | error | a required property is there
property-type | 3-10 | error | a value has the JSON type and form that its property asks for
property-range | 3-10 | error | a number or list keeps its bounds, e.g. priority, severity, impact 0 to 100
type-known | 4.2, 9.2 | error | type is one of the enumerations of steps, markings, signatures
property-unknown | 3-10 | error | only properties of the standard are used; others belong into extensions
type-open | 5.2, 6.2, 7.2, 10.18 | warning | types of commands, agents, authentication, variables are the standard's
vocabulary | 3-10 | warning | values of other open vocabularies (sectors, activities, algorithms ...) are known
region | 10.4.1 | error | region is one of the enumeration
id-form | 10.10 | error | identifiers have the form type--UUID
id-kind | 10.10 | error | an identifier begins with the type of the object that it names
id-uuid | 10.10 | error | the UUID is one of RFC 4122, in its version and variant
id-step-version | 10.10 | error | UUIDs of steps are of version 4
id-playbook-version | 10.10 | error | the UUID of a playbook is of version 4 or 5
id-object-version | 10.10 | warning | UUIDs of other objects are of version 4
id-unique | 10.10 | error | no UUID stands for two objects, whatever their types
time-form | 10.17 | error | time stamps are RFC 3339 in UTC with Z, and exist in the calendar
time-milliseconds | 3.1 | warning | created and modified have three digits of seconds (a MUST, often broken)
time-order | 3.1 | error | modified is not before created
validity-order | 3.1 | error | valid_until is after valid_from, unless revoked
revoked | 3.1 | warning | a revoked playbook never runs
derived-from | 3.1 | error | derived_from names other playbooks
activities-missing | 3.1 | error | playbook_types of the vocabulary come with playbook_activities
activities-unlisted | 3.1.2 | warning | activities of commands are listed in playbook_activities
activities-unused | 3.1.2 | warning | listed activities are carried out by a command, where commands state theirs
sectors-unlisted | 3.1 | warning | sectors of targets are listed in industry_sectors (a MUST, harmless)
references-unlisted | 3.1 | warning | references of steps and commands are listed at the playbook (a MUST, harmless)
reference-empty | 10 | error | an external reference says more than a name
summary-wrong | 10.14 | error | what the processing summary states is so
summary-silent | 10.14 | warning | a processing summary is silent about nothing that is used
location-pair | 10.4 | error | latitude, longitude and precision stand together, within their ranges
start-missing | 3.1 | error | workflow_start names a start step of the workflow
exception-missing | 3.1 | error | workflow_exception names a step of the workflow
workflow-minimum | 3.1 | error | a workflow has a start, an action or playbook-action, and an end
next-missing | 4.1 | error | steps lead to steps of the workflow
next-both | 4.1 | error | on_completion excludes on_success and on_failure
next-none | 4.1 | error | a start or an action leads on, by on_completion or on_success
next-silent | 4.1 | warning | a step with branches says what comes after them
next-failure | 4.1 | warning | a failure after on_success is answered by on_failure or workflow_exception
step-time | 4.1 | warning | delay and timeout of a step are no longer than a whole run, a week (our bound)
step-timeout | 4.1 | warning | a program or HTTP request that by work_s may take over 300 s has a timeout
start-next | 4.3 | error | a start step has neither on_success nor on_failure
end-next | 4.4 | error | an end step leads nowhere
start-again | 4.3 | error | no step leads back to a start step, and there is one start
branch-end | 4.4 | error | every branch comes to an end step
branch-shared | 4.7-4.10 | error | branches of a step share no step, so that each has an end of its own
step-unreachable | 4 | error | every step is reached from the start or the exception
cycle | 4 | error | no step leads to itself again: only while-condition repeats
branches-equal | 4.7 | error | the branches of a parallel step are different steps
switch-variable | 4.10 | error | switch is one variable, as __name__:value
switch-default | 4.10 | warning | a switch has a default case
condition-form | 4.8, 4.9 | error | a condition is a comparison expression of STIX patterning over variables
condition-prefix-not | 4.8, 4.9 | warning | NOT stands before the operator, as in STIX, not before the comparison
condition-type | 4.8, 4.9 | warning | a literal can be a value of the variable that it is compared with
condition-pattern | 4.8, 4.9 | warning | the right of MATCHES is a regular expression of RE2
condition-fixed | 4.8, 4.9 | warning | a condition names a variable
while-fixed | 4.9 | warning | the branch of a while-condition may change a variable of its condition
playbook-self | 4.6 | error | a playbook does not call itself, nor is it called again by one that it calls
playbook-version | 4.6 | warning | a called playbook is pinned by playbook_version, to one that is there
playbook-arguments | 4.6 | warning | what is handed to a called playbook is an external variable there
command-missing | 5 | error | a command of text has command or command_b64
command-both | 5 | error | a command is said once: command or command_b64, content or content_b64 (our safety rule)
command-empty | 5 | warning | a command says something
base64 | 5 | error | what ends in _b64 is base64 (RFC 4648, 4), of UTF-8 where it is text
start-line | 5 | error | the command of an HTTP request is method, target, HTTP version
openc2-post | 5 | error | openc2-http is sent by POST
openc2-body | 5 | error | the body of openc2-http is an OpenC2 command with one action and one target
openc2-media | 5 | warning | openc2-http says its media type (OpenC2 over HTTPS v1.0)
agent-missing | 7 | error | agents that steps name are defined
target-missing | 7 | error | targets that steps name are defined
definition-unused | 7 | warning | agents, targets, authentication and extensions that are defined are used
agent-person | 4.5 | warning | a manual command has an agent who is a person, group or organization
agent-abstract | 7 | warning | an automatic command has a concrete agent, not a sector, category, location or group
target-abstract | 7 | warning | an abstract target says of what: sector, category or logical place
address-missing | 7 | error | an agent or target with an address has at least one
address-form | 7 | error | addresses have the form of their kind, unless a variable
contact-email | 7 | error | an e-mail address is one, unless a variable
port-range | 7 | error | a port is 1 to 65535, unless a variable
authentication-missing | 6 | error | authentication that agents and targets name is defined
kms-pair | 6 | error | kms and kms_key_identifier stand together
kms-secret | 6 | error | with kms, no name, password or token is written
secret-clear | 6 | error | no password, token or key is written in clear (safety rule; CACAO: SHOULD)
secret-variable | 6 | warning | no variable that is named like a secret has a value written down
shell-splice | 5 | error | no free text is spliced into a shell command (our safety rule)
variable-name | 10.18 | error | a variable is named __name__, at most 250 signs, a letter first
variable-bare | 10.18 | warning | a variable is used as __name__:value; without :value it is plain text
variable-lower | 10.18 | warning | names of variables are lower case
variable-value | 10.18 | error | a value fits the type of its variable
variable-undeclared | 10.18 | error | every variable that is used is declared, in the playbook or in the step
variable-unused | 10.18 | warning | every variable that is declared is used
variable-unset | 10.18 | error | a variable that is used gets a value: written, external, or by out_args
variable-shadow | 10.18 | warning | a step variable has another name than the playbook's
variable-external | 10.18 | warning | only variables of the playbook are external
variable-constant | 10.18 | error | out_args name no constant
variable-constant-empty | 10.18 | warning | a constant has a value, or is external
arguments-undeclared | 4.5, 4.6 | error | in_args and out_args name declared variables
arguments-doubled | 4.5, 4.6 | warning | no variable stands twice among the arguments
arguments-missing | 4.5 | warning | variables of agent and targets are in in_args
arguments-idle | 4.5 | warning | in_args are used by the step
extension-undefined | 8 | error | extensions that are used are defined
extension-names | 8 | error | properties of extensions are a-z, 0-9 and _, 3 to 250 signs
extension-version | 8 | warning | the version of an extension is MAJOR.MINOR.PATCH
marking-undefined | 3.1 | error | markings that are used are defined
marking-id | 9.1 | error | a marking's id is the key that it stands under
marking-versioned | 9 | error | a marking is never changed: it has no modified
marking-tlp-many | 9.4 | warning | a playbook has one level of TLP
marking-iep-value | 9.5 | warning | values of an IEP marking are those of FIRST's policy
signature-key | 10.15 | error | a signature has one of public_key, public_cert_chain, cert_url, thumbprint
signature-related | 10.15 | error | a signature is of this playbook and this version
signature-value | 10.15 | error | value is base64url
signature-hash | 10.15 | warning | the hash is sha-256 or sha-512, and no symmetric key signs
signature-revoked | 10.15 | warning | a revoked signature does not count
effect-missing | 8 | warning | a playbook declares its effect on a twin; without, it joins no library
effect-form | 8 | error | a declared effect is as the schema says, and does not contradict itself
effect-source | 8 | warning | each number of an effect says where it is from
effect-undo | 8 | error | an undo that is possible has commands in a step, and the other way round
effect-undo-form | 8 | error | the undo of a step is of commands that an actuator carries out
effect-contains | 8 | error | what contains an asset has an undo or says why not, and a time to live
effect-consent | 8 | error | a physical process is in the consent class safety
not-executable | 4, 5 | warning | the step is run by this version (else no owner's node runs the playbook)
too-many | 3-10 | error | at most 500 findings are told; mend and lint again
"""

RULES: dict[str, Rule] = {}
for _row in _TABLE.strip().splitlines():
    _id, _section, _severity, _text = (cell.strip() for cell in _row.split("|"))
    RULES[_id] = Rule(_id, _section, "error" if _severity == "error" else "warning", _text)
