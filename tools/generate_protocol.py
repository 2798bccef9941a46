#!/usr/bin/env python3
"""Writes the C++ of the messages of libvirt's RPC programs, and of our own, from src/wire/protocol/*.csv.

usage: generate_protocol.py PROTOCOL_FOLDER OUTPUT_FOLDER

For each structure, and for the arguments and the result of each procedure, a plain struct with one walk() that names
its fields in XDR order: encoding, decoding and printing all use it. And a table of all procedures, and a list of them
for whoever wants to do something with the messages of each.
"""
import csv
import pathlib
import re
import sys

SCALARS = {
    'int': 'std::int32_t', 'unsigned int': 'std::uint32_t', 'unsigned': 'std::uint32_t',
    'hyper': 'std::int64_t', 'unsigned hyper': 'std::uint64_t', 'double': 'double',
    # XDR has nothing below 32 bits
    'char': 'std::int32_t', 'unsigned char': 'std::uint32_t', 'unsigned short': 'std::uint32_t',
    'remote_auth_type': 'std::int32_t',
    'remote_nonnull_string': 'std::string', 'remote_string': 'std::optional<std::string>', 'remote_uuid': 'Uuid',
    'remote_typed_param_value': 'TypedValue',
}
# What the names of a program's types begin with.
PROGRAMS = {'remote': '', 'qemu': 'Qemu', 'domus': 'Domus'}
STRING_MAX = 4194304
KEYWORDS = {'register', 'new', 'delete', 'class', 'operator', 'default', 'union'}


def camel(name):
    return ''.join(part.capitalize() for part in name.split('_'))


def struct_name(name):
    short = re.sub(r'^remote_(nonnull_)?', '', name)
    return 'RemoteError' if short == 'error' else camel(short)


def snake(name):
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name).lower()
    return name + '_' if name in KEYWORDS else name


def cpp_type(kind):
    """C++ type and limit of an XDR type."""
    array = re.fullmatch(r'(.+?)([<\[])(\d+)[>\]]', kind)
    if array:
        inner, bracket, limit = array[1], array[2], int(array[3])
        if inner == 'opaque':
            return 'Opaque', limit
        if inner == 'char':
            return (f'FixedChars<{limit}>' if bracket == '[' else 'Chars'), limit
        return f'std::vector<{cpp_type(inner)[0]}>', limit
    if kind in SCALARS:
        return SCALARS[kind], STRING_MAX if 'string' in kind else 0
    optional = kind.startswith('remote_') and kind in OPTIONALS
    return (f'std::optional<{struct_name(kind)}>' if optional else struct_name(kind)), 0


# Pointers to objects: the name without "nonnull".
OPTIONALS = {f'remote_{name}' for name in (
    'domain', 'network', 'network_port', 'nwfilter', 'nwfilter_binding', 'storage_pool', 'storage_vol', 'node_device',
    'secret')}


def fields_of(text):
    text = re.sub(r'^msg\{(.*)\}$', r'\1', text)
    return [tuple(field.split(':', 1)) for field in text.split(';') if field]


WRITTEN = set()


def write_struct(out, name, fields):
    """Once each: the messages of the older events are also members of the newer ones' messages."""
    if name in WRITTEN:
        return
    WRITTEN.add(name)
    out.append(f'struct {name} {{')
    for field, kind in fields:
        ctype = cpp_type(kind)[0]
        zero = ' = 0' if ctype.startswith('std::int') or ctype.startswith('std::uint') or ctype == 'double' else ''
        out.append(f'    {ctype} {snake(field)}{zero};')
    out.append('    template <class Self, class Walker>')
    if fields:
        out.append('    static void walk(Self& self, Walker& walker) {')
        for field, kind in fields:
            out.append(f'        walker("{field}", self.{snake(field)}, {cpp_type(kind)[1]}u);')
    else:
        out.append('    static void walk(Self&, Walker&) {')
    out.append('    }')
    out.append('};')


def main():
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    structs = list(csv.DictReader(open(source / 'structs.csv')))
    procedures = list(csv.DictReader(open(source / 'procedures.csv')))
    out = ['// Made by tools/generate_protocol.py; do not edit.', '#pragma once', '', '#include "wire/procedures.hpp"', '#include "wire/values.hpp"', '',
           'namespace domus::wire {', '']
    for row in structs:
        if row['kind'] == 'struct':
            write_struct(out, struct_name(row['name']), fields_of(row['fields']))
    enums = {program: [] for program in PROGRAMS}
    traits, tables = [], {program: [] for program in PROGRAMS}
    # One result is an array of another procedure's result, and so comes behind it.
    ordered = sorted(procedures, key=lambda row: row['name'] == 'DOMAIN_GET_SECURITY_LABEL_LIST')
    for row in ordered:
        program = row['program']
        prefix = PROGRAMS[program]
        base = prefix + camel(row['name'].lower())
        enumerator = snake(row['name'].lower())
        enums[program].append(f'    {enumerator} = {row["number"]},')
        if row['kind'] == 'event':
            write_struct(out, base + 'Msg', fields_of(row['args'] or row['ret']))
            names = ('Nothing', base + 'Msg')
        else:
            names = []
            for column, suffix in (('args', 'Args'), ('ret', 'Ret')):
                if row[column]:
                    write_struct(out, base + suffix, fields_of(row[column]))
                names.append(base + suffix if row[column] else 'Nothing')
        traits.append(f'template <> struct Call<{prefix}Procedure::{enumerator}> {{ using Args = {names[0]}; using Ret = {names[1]}; }};')
        readonly = {'yes': 'true', 'no': 'false', '': 'true'}[row['allowed_on_readonly']]
        kind = 'event' if row['kind'] == 'event' else 'call'
        tables[program].append((int(row['number']),
            f'    {{{row["number"]}, "{row["name"]}", Kind::{kind}, StreamUse::{row["stream"] or "none"}, '
            f'{"true" if row["worker_priority"] == "high" else "false"}, {readonly}, "{row["acl"]}", "{row["since"]}"}},'))
    for program, prefix in PROGRAMS.items():
        out += [f'enum class {prefix}Procedure : std::int32_t {{'] + enums[program] + ['};',
                f'constexpr std::uint32_t program_of({prefix}Procedure) {{ return {program}_program; }}']
    out += ['/// Arguments and result of a procedure; of an event, its message is the result.',
            'template <auto Which> struct Call;'] + traits + ['', '} // namespace domus::wire', '']
    target.mkdir(parents=True, exist_ok=True)
    (target / 'protocol.hpp').write_text('\n'.join(out))

    every = ['// Made by tools/generate_protocol.py; do not edit.', '#pragma once', '', '#include "wire/protocol.hpp"', '',
             'namespace domus::wire {', '',
             '/// Calls action.operator()<Which>() for every procedure and event, as the key of Call.',
             'template <class Action> void for_each_procedure(Action&& action) {']
    for program, prefix in PROGRAMS.items():
        every += [f'    action.template operator()<{prefix}Procedure::{snake(row["name"].lower())}>();'
                  for row in procedures if row['program'] == program]
    (target / 'every_procedure.hpp').write_text('\n'.join(every + ['}', '', '} // namespace domus::wire', '']))

    table = ['// Made by tools/generate_protocol.py; do not edit.', '#include "wire/procedures.hpp"', '',
             'namespace domus::wire {', '', 'namespace {', '']
    for program in PROGRAMS:
        rows = [text for _, text in sorted(tables[program])]
        table += [f'constexpr ProcedureInfo {program}_table[] = {{'] + rows + ['};', '']
    table += ['constexpr Program all[] = {'] + [f'    {{{program}_program, {program}_table}},' for program in PROGRAMS]
    table += ['};', '', '} // namespace', '', 'std::span<const Program> programs() { return all; }', '',
              '} // namespace domus::wire', '']
    (target / 'procedures.cpp').write_text('\n'.join(table))


if __name__ == '__main__':
    main()
