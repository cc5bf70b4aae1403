"""简体中文: what the audit trail tells."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "event.login.succeeded": "已登录",
        "event.new_device": "在新设备上登录",
        "event.login.failed": "登录尝试失败",
        "event.session.logged_out": "已退出登录",
        "event.session.ended": "一台设备已退出登录",
        "event.session.ended.ended_by_owner": "从列表中退出了一台设备",
        "event.session.ended.too_many_sessions": "最早的设备已退出登录：同时登录过多",
        "event.session.ended.replaced_by_login": "设备已退出登录：有人在该设备上登录了另一个账户",
        "event.session.ended.revoked": "持有令牌者结束了一个登录",
        "event.sessions.ended.none": "其他所有设备退出登录：没有其他设备",
        "event.sessions.ended.one": "{count} 台设备已退出登录",
        "event.sessions.ended.other": "{count} 台设备已退出登录",
        "event.session.reauthenticated": "再次确认了密码",
        "event.refresh.reused": "已拒绝：重复使用的刷新令牌，该设备已退出登录",
        "event.account.created": "账户已创建",
        "event.account.changed": "资料已更改",
        "event.account.roles_changed": "角色已改为：{roles}",
        "event.account.disabled.none": "账户已停用",
        "event.account.disabled.one": "账户已停用，{count} 个登录已结束",
        "event.account.disabled.other": "账户已停用，{count} 个登录已结束",
        "event.account.enabled": "账户已启用",
        "event.account.deleted": "账户已删除",
        "event.password.changed.none": "密码已更改",
        "event.password.changed.one": "密码已更改，另有 {count} 台设备退出登录",
        "event.password.changed.other": "密码已更改，另有 {count} 台设备退出登录",
        "event.password.reset.none": "密码已重置",
        "event.password.reset.one": "密码已重置，{count} 个登录已结束",
        "event.password.reset.other": "密码已重置，{count} 个登录已结束",
        "event.key.created": "签名密钥已创建",
        "event.key.rotated": "签名密钥已轮换",
        "event.key.retired": "签名密钥已退役",
        "event.key.revoked": "签名密钥已吊销",
        "event.everything.ended": "所有人都已退出登录",
        "event.by.administrator": "由管理员",
        "event.by.operator": "由运维人员",
        "event.by.system": "自动",
        "event.setup.offered": "已显示创建首位管理员的链接",
        "event.session.moved": "从另一网络或浏览器使用",
        "event.client.created": "客户端已注册",
        "event.client.changed": "客户端已更改",
        "event.client.secret_replaced": "客户端的口令已更换",
        "event.client.deleted": "客户端已删除",
        "event.session.ended.moved": "一台设备已退出登录：它在别处被使用",
    }
)
