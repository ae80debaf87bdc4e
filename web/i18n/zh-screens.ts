/** 管理员查看虚拟机屏幕。 */
export const zhScreens = {
  watch: {
    button: '屏幕',
    open: '{{name}} 的屏幕',
    back: '返回桌面详情',
    whose: '这是 {{name}} 的桌面，您查看期间对方看不到画面。',
    offText: '机器运行后画面会自动恢复。',
    heldTitle: '{{name}} 正在使用这个屏幕',
    heldText: '自 {{since}} 起。同一时间只能在一处显示：对方的画面会变黑，并提示管理员已打开该屏幕。',
    heldByAdministrator: '以管理员身份，自 {{since}} 起。同一时间只能在一处显示：对方的画面会变黑，并说明原因。',
    somebody: '使用其他程序的人',
    take: '接管屏幕',
    lostTitle: '屏幕已在别处打开',
    picture: '{{name}} 的画面',
    pictureNow: '实时',
    pictureOld: '{{seconds}} 秒前的画面',
    pictureWait: '正在获取画面……',
    pictureNone: '无法获取画面',
    pictureOff: '没有画面：机器未运行。',
    takenTitle: '管理员打开了这个屏幕',
    takenText: '同一时间只能在一处显示。您的程序仍在运行，可以随时在这里重新显示。',
  },
}
