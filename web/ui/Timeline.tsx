import type { CSSProperties, ReactNode } from 'react'
import { formatDay, formatExact, formatSecond } from './format.ts'
import { type Look, looks } from './look.ts'
import classes from './Timeline.module.css'
import { sizes } from './theme.ts'

export interface Moment {
  id: string
  /** RFC 3339. */
  at: string
  look: Look
  text: string
  /** In the words of whoever said it. */
  detail?: string | undefined
  by: string
}

/** What happened, newest first, day by day: the exact time is what one compares with other logs. */
export function Timeline({ moments, label }: { moments: readonly Moment[]; label: string }) {
  const days = Map.groupBy(moments, ({ at }) => formatDay(at))
  return (
    <section aria-label={label}>
      {[...days].map(([day, ofDay]) => (
        <section key={day} aria-label={day}>
          <h3 className={classes.day}>{day}</h3>
          <ol className={classes.list}>
            {ofDay.map(moment => (
              <Row key={moment.id} of={moment} />
            ))}
          </ol>
        </section>
      ))}
    </section>
  )
}

function Row({ of: { at, look, text, detail, by } }: { of: Moment }): ReactNode {
  const { icon: Of, tone } = looks[look]
  const style = { '--tone-ink': `var(--hdcs-${tone}-ink)`, '--tone-tint': `var(--hdcs-${tone}-tint)` } as CSSProperties
  return (
    <li className={classes.row}>
      <time className={classes.time} dateTime={at} title={formatExact(at)}>
        {formatSecond(at)}
      </time>
      <span className={classes.mark} style={style}>
        <Of size={sizes.iconSmall} strokeWidth={2} aria-hidden />
      </span>
      <div className={classes.what}>
        <div className={classes.text}>{text}</div>
        {detail && <div className={classes.detail}>{detail}</div>}
      </div>
      <div className={classes.by}>{by}</div>
    </li>
  )
}
