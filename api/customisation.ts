/** What is run in a pool's guests before anybody gets them, as it is asked for and told, and what came of it. */
import { z } from '@hono/zod-openapi'
import { answersPreview, desktopSetup } from '../broker/customisation.ts'
import { scriptTry } from '../broker/script-trials.ts'
import { idParams, nameSchema, route, timestamp } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

const maxScriptLength = 32 * 1024
const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}]+$/u, 'one line of text')

const scriptSchema = z
  .object({
    text: z
      .string()
      .min(1)
      .max(maxScriptLength)
      .refine(text => !text.includes('\0') && text.isWellFormed(), 'text without NUL'),
    /** Then it is ended by force, which counts as a failed try. */
    timeoutSeconds: z.number().int().min(1).max(7200).default(600),
    /** After the first try. */
    retries: z.number().int().min(0).max(5).default(1),
  })
  .openapi('Script')

const given = {
  /** Of what kind of system the guests are: `sh` for Linux, `powershell` for Windows. */
  shell: z.enum(['sh', 'powershell']).default('sh'),
  /** The guest takes the desktop's name. For images that do not take it from their host by themselves. */
  hostName: z.boolean().default(false),
  /** Once in each life of a disk, before the desktop counts as ready. */
  before: scriptSchema.nullable().default(null),
  /** Once for each person it is given to; who waits is let in when it ended. `HDCS_USER` and others say for whom. */
  after: scriptSchema.nullable().default(null),
}
const domain = {
  name: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/, 'a domain’s name'),
  user: line(200),
  /** Where in the directory; null: where it puts new computers. */
  ou: line(500).nullable().default(null),
}

const answersGiven = {
  /**
   * Your own `Unattend.xml`, with placeholders: `{{HDCS_COMPUTER}}`, `{{HDCS_DOMAIN_PASSWORD}}`, `{{NAME}}` of a secret …;
   * null: it is written of what follows.
   */
  unattend: z
    .string()
    .min(1)
    .max(maxScriptLength)
    .refine(text => !text.includes('\0') && text.isWellFormed(), 'text without NUL')
    .nullable()
    .default(null),
  /** As Windows calls it: `W. Europe Standard Time`; null: that of the image. */
  timeZone: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 .+()-]{0,59}$/, 'a time zone as Windows calls it')
    .nullable()
    .default(null),
  /** One that the image has. */
  language: z
    .string()
    .regex(/^[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}$/, 'a language and country: en-US, zh-CN')
    .default('en-US'),
  /** As Windows numbers it: `0407:00000407`; null: that of the language. */
  keyboard: z
    .string()
    .regex(/^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{8}$/, 'a keyboard as Windows numbers it: 0407:00000407')
    .nullable()
    .default(null),
  /** An account that is made, with the rights of an administrator; null: Windows’ own one. */
  administrator: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$/, 'up to 20 letters and digits')
    .nullable()
    .default(null),
}

export const answersAskSchema = z
  .object({
    ...answersGiven,
    password: line(127).nullable().optional(),
    productKey: z
      .string()
      .regex(/^[A-Z0-9]{5}(-[A-Z0-9]{5}){4}$/, 'a product key: XXXXX-XXXXX-XXXXX-XXXXX-XXXXX')
      .nullable()
      .optional(),
  })
  .openapi('AnswersAsk')

export const answersSchema = z
  .object({ ...answersGiven, passwordSet: z.boolean(), productKeySet: z.boolean() })
  .openapi('Answers')

/** Environments have them in upper case; those of HDCS are its own. */
const secretName = z
  .string()
  .regex(/^(?!HDCS_)[A-Z][A-Z0-9_]{0,63}$/, 'upper-case letters, digits and _, and not beginning with HDCS_')

export const customiseAskSchema = z
  .object({
    ...given,
    /** Absent `password`: the one that is kept, for the same domain and user. It is never told. */
    domain: z
      .object({ ...domain, password: line(500).optional() })
      .nullable()
      .default(null),
    /**
     * Windows, generalised in the image (`sysprep /generalize /oobe /shutdown`), is set up with this at its first boot; it
     * joins `domain` in doing so; `template`: as the pool's template says, also when that changes. Absent `password`, `productKey`: those that are kept; null: none. They are never told.
     */
    answers: z
      .union([answersAskSchema, z.literal('template')])
      .nullable()
      .default(null),
    /** Variables of the scripts, kept sealed and cut out of what they write. Absent `value`: the one that is kept. */
    secrets: z
      .array(z.object({ name: secretName, value: z.string().min(1).max(4096).optional() }))
      .max(50)
      .default([]),
  })
  .openapi('CustomiseAsk')

export const customiseSchema = z
  .object({
    ...given,
    domain: z.object({ ...domain, passwordSet: z.boolean() }).nullable(),
    answers: answersSchema.nullable(),
    /** `template`: they are its template's, and change with it. */
    answersFrom: z.enum(['pool', 'template']),
    secrets: z.array(z.object({ name: z.string() })),
  })
  .openapi('Customise')

export const customisationRoutes = [
  route({
    method: 'post',
    path: '/api/v1/answer-files/preview',
    operationId: 'answerFilePreview',
    summary: 'The answer file that Windows Setup would get with these settings, its secrets masked; nothing is changed',
    permission: 'pool.write',
    body: z.object({ customise: customiseAskSchema, desktopName: nameSchema.default('desktop-1') }),
    answers: { 200: z.object({ computerName: z.string(), text: z.string() }) },
    handle: async ({ body }) => ({ status: 200, body: answersPreview(body.customise, body.desktopName) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/script',
    operationId: 'desktopScriptTry',
    summary:
      'Run a script in one desktop that is up, to try it: one of its pool’s, or a text. Its output stands in the log of the task',
    permission: 'pool.write',
    params: idParams,
    body: z.object({
      /** Of its pool, with the secrets that has; absent: `text`. */
      script: z.enum(['before', 'after']).optional(),
      text: scriptSchema.shape.text.optional(),
      /** Of `text`. */
      shell: z.enum(['sh', 'powershell']).default('sh'),
      timeoutSeconds: z.number().int().min(1).max(7200).default(600),
      /** Also while somebody is connected to it, which is refused otherwise. */
      whileUsed: z.boolean().default(false),
    }),
    answers: { 202: z.object({ task: taskSchema }) },
    handle: async ({ broker, principal, params, body }) =>
      accepted({ task: await scriptTry(broker, principal, params.id, body) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/setup',
    operationId: 'desktopSetup',
    summary:
      'What was run in the guest before its person got it: each try with its exit code, time and output, newest first',
    permission: 'desktop.read',
    params: idParams,
    answers: {
      200: z.object({
        items: z.array(
          z.object({
            step: z.enum(['answers', 'hostName', 'domain', 'before', 'after', 'trial']),
            attempt: z.number().int(),
            state: z.enum(['running', 'done', 'failed']),
            exitCode: z.number().int().nullable(),
            /** Why it did not end by itself. */
            text: z.string(),
            startedAt: timestamp,
            ms: z.number().int(),
            output: z.string(),
          }),
        ),
      }),
    },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await desktopSetup(broker, principal, params.id),
    }),
  }),
]
