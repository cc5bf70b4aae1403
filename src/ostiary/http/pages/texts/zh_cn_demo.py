"""简体中文：演示页。"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "demo.title": "一个账户，两台设备",
        "demo.lead": "两台设备都以 Alice 的身份登录。从其中一台结束另一台，看看各个服务还会继续接受它多久。",
        "demo.absent": "从一台结束另一台，页面会显示各个服务在多少毫秒之后拒绝它。"
        "为此需要专门的账户和服务，本服务器上没有。用下面的命令启动它们：",
        "demo.noscript": "演示需要 JavaScript：同一页面里的两台设备，就是页面内存中的两个令牌。"
        "终端里打印的命令可以演示同样的过程。",
        "demo.device.a": "笔记本电脑",
        "demo.device.b": "手机",
        "demo.kind": "携带的凭证",
        "demo.kind.session": "一个随机令牌",
        "demo.kind.stateful": "指向会话的 JWT",
        "demo.kind.stateless": "包含全部信息的 JWT",
        "demo.log_in": "重新登录",
        "demo.end.a": "结束手机的登录",
        "demo.end.b": "结束电脑的登录",
        "demo.signed_out": "未登录",
        "demo.accepted": "已被接受",
        "demo.ended": "已结束：被拒绝",
        "demo.failed": "被拒绝：请重新登录",
        "demo.bytes": "每个请求携带 {n} 字节，原样如下：",
        "demo.opaque": "它本身不含任何信息，一切都在服务器上。",
        "demo.header": "头部",
        "demo.payload": "载荷（任何人都能读）",
        "demo.result": "多久之后被拒绝",
        "demo.result.about": "从结束操作得到应答，到各服务第一次拒绝之间的毫秒数；"
        "同时反复询问每个服务。条形为对数刻度。",
        "demo.summary": "已结束。承诺：{bound} 秒之内处处被拒绝。",
        "demo.refused": "{ms} 毫秒",
        "demo.still": "仍被接受，还有 {time}",
        "demo.over": "终于过期",
        "demo.not_refused": "8 秒内未拒绝",
        "demo.place.auth": "认证服务器",
        "demo.place.auth.about": "会话所在之处。",
        "demo.place.notes": "笔记",
        "demo.place.notes.about": "背后的应用，在同一进程中。",
        "demo.place.reports": "报表",
        "demo.place.reports.about": "另一个进程，没有数据库，只有公钥，并跟随撤销消息流。",
        "demo.place.downloads": "下载",
        "demo.place.downloads.about": "另一个进程里的文件服务器，用这次登录的一次性令牌询问。",
        "demo.place.plain": "普通的 JWT 库",
        "demo.place.plain.about": "作为对照：同一账户的令牌，只检查签名和有效期。",
        "demo.more": "继续了解",
    }
)
