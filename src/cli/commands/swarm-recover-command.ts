import type { Command } from 'commander'
import { chooseSurvivor } from '../../api/swarm/choose-survivor.ts'
import type { SurveyedManager, SurveyResponse } from '../../api/swarm/recovery.ts'
import { ShoalError } from '../../base/errors.ts'
import { print, type CliContext } from '../cli-context.ts'
import { renderTable } from '../output/table.ts'

interface HostInfo { readonly Swarm?: { readonly NodeAddr?: string } }

/** `shoal swarm recover` */
export function addSwarmRecoverCommand(program: Command, context: CliContext): void {
  const swarm = program.commands.find(command => command.name() === 'swarm') ?? program.command('swarm')
  swarm.command('recover').description('Show what each manager\'s log ends with, and make the newest survivor a cluster of its own when the others are lost for good')
    .option('--yes', 'do it, if this host\'s manager is the newest')
    .option('--show <folder...>', 'show what the logs in these folders end with, without any daemon: data roots of managers that are stopped, or copies of them')
    .action(async ({ yes, show }: { yes?: boolean; show?: readonly string[] }) => {
      // deploy/bin/shoal gives that to a program of its own, which knows the log's format.
      if (show !== undefined) throw new ShoalError('invalid-argument', 'bad-usage', 'reading folders needs no daemon: run \'shoal swarm recover --show FOLDER…\' without anything before it')
      const survey = await context.api().get<SurveyResponse>('/shoal/swarm/managers')
      print(context, renderTable(['MANAGER', 'ADDRESS', 'LAST TERM', 'LAST INDEX', 'COMMIT', 'APPLIED', 'CHANGED LAST', 'STATE'], survey.managers.map(manager => rowOf(manager, survey.selfId))))
      const choice = chooseSurvivor(survey.managers)
      if (choice.kind === 'nobody') throw new ShoalError('unavailable', 'bad-usage', 'no manager answers, not even the one of this host: see docker info for why')
      const counts = `\n${choice.answering} of ${choice.voters} managers answer.`
      if (choice.kind === 'has-quorum') {
        print(context, `${counts} That is enough: they elect a leader by themselves, and nothing is to be recovered.`)
        if (yes === true) throw new ShoalError('failed-precondition', 'bad-usage', 'nothing was done: the cluster has a quorum')
        return
      }
      const { newest } = choice
      const isHere = newest.member?.raftId === survey.selfId
      print(context, `${counts} ${Math.floor(choice.voters / 2) + 1} are needed. Of those that answer, ${nameOf(newest)} has the newest log.`)
      print(context, 'Bring the others back if you can: what only they have is lost otherwise. If they are lost for good:')
      if (yes !== true || !isHere) {
        print(context, `\n    on ${nameOf(newest)}: shoal swarm recover --yes\n`)
        if (yes === true) throw new ShoalError('failed-precondition', 'bad-usage', `nothing was done: the manager of this host is not the newest, run it on ${nameOf(newest)}`)
        return
      }
      const info = await context.api().get<HostInfo>('/info')
      const nodeId = await context.api().post<string>('/swarm/init', { ForceNewCluster: true, AdvertiseAddr: info.Swarm?.NodeAddr ?? '', ListenAddr: '0.0.0.0:2377', Spec: {} })
      print(context, `\nThis host (${nodeId}) is the cluster's only manager now, with the state of its log. Managers that come back leave (docker swarm leave --force) and join again.`)
    })
}

function rowOf({ member, hostname, logEnd, error }: SurveyedManager, selfId: number): readonly string[] {
  const name = `${hostname || (member?.nodeId ?? '')}${member?.raftId === selfId ? ' *' : ''}`
  if (logEnd === undefined) return [name, member?.addr ?? '', '', '', '', '', '', `does not answer: ${error}`]
  const state = logEnd.leaderId === logEnd.raftId ? 'leads' : logEnd.leaderId === 0 ? 'without a leader' : 'follows'
  return [name, member?.addr ?? '', ...[logEnd.lastTerm, logEnd.lastIndex, logEnd.commit, logEnd.applied].map(String), new Date(logEnd.changedAtMs).toISOString(), member?.learner === true ? `${state}, learner` : state]
}

function nameOf({ hostname, member }: SurveyedManager): string { return hostname || (member?.nodeId ?? 'a manager') }
