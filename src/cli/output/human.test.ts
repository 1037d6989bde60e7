import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareNatural, humanDuration, parseBytes, parseDurationNs } from './human.ts'
import { renderList } from './list.ts'

test('durations read as Docker writes them', () => {
  assert.deepEqual([500, 1000, 59_000, 60_000, 45 * 60_000, 3_700_000, 7_200_000, 3 * 86_400_000].map(humanDuration),
    ['Less than a second', '1 second', '59 seconds', 'About a minute', '45 minutes', 'About an hour', '2 hours', '3 days'])
})

test('amounts and durations are parsed with their units', () => {
  assert.deepEqual(['100', '64M', '1.5g', '10kb', 'x'].map(parseBytes), [100, 64 * 2 ** 20, 1.5 * 2 ** 30, 10_240, undefined])
  assert.deepEqual(['10s', '1h30m', '1.5s', '500ms', '0', '10'].map(parseDurationNs), [10e9, 5400e9, 1.5e9, 5e8, 0, undefined])
})

test('names sort as people expect', () => {
  assert.deepEqual(['web.10', 'web.2', 'db.1'].sort(compareNatural), ['db.1', 'web.2', 'web.10'])
})

test('a list is a table, json lines, ids or a template', () => {
  const listing = { columns: [['ID', 'ID'], ['NAME', 'Name']] as const, rows: [{ ID: 'a1', Name: 'web' }, { ID: 'b2', Name: 'longer' }] }
  assert.equal(renderList(listing, {}), 'ID   NAME\na1   web\nb2   longer')
  assert.equal(renderList(listing, { quiet: true }), 'a1\nb2')
  assert.equal(renderList(listing, { format: 'json' }), '{"ID":"a1","Name":"web"}\n{"ID":"b2","Name":"longer"}')
  assert.equal(renderList(listing, { format: '{{.Name}}={{ .ID }}' }), 'web=a1\nlonger=b2')
  assert.throws(() => renderList(listing, { format: '{{.Nope}}' }), /no field \.Nope; the fields are \.ID \.Name/)
  assert.throws(() => renderList(listing, { format: 'bad{{' }), /holds braces that are no field/)
})
