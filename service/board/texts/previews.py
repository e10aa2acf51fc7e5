"""What an act will do: the codes of `operate.previews.WORDS` in Korean too. No Korean particle follows a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operate import previews

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.board.sources import Language

KO: Mapping[str, str] = {
    "hold.open": "{feed} 멈춤: 이제 아무것도 커밋되지 않고, 요청도 보내지 않음.",
    "hold.own": "{feed}: 본인이 이미 보류함, {since}. 사유만 바뀜.",
    "hold.others": "{feed}: 이미 보류됨. 보류한 사람 {by}, {since}, 사유: {reason}. 계속하면 본인의 보류가 됨.",
    "hold.all": "피드 {count}개 멈춤: {feeds}. 이미 보류된 것은 그대로: {held}.",
    "free.nothing": "{feed}: 보류도 차단도 아님. 풀 것이 없음.",
    "free.lifts": "{feed}: 풀리는 것 {lifted}.",
    "free.others": "{feed}: 풀리는 것 {lifted}. 다른 사람의 보류임: {by}, {since}, 사유: {reason}.",
    "kill.nothing": "실행 중인 것이 없음.",
    "kill.runs": "멈추는 실행: {runs}. 하던 묶음은 끝내거나 되돌림.",
    "kill.runs-and-hold": "{feed} 보류 후 멈추는 실행: {runs}. 하던 묶음은 끝내거나 되돌림.",
    "kill.none-yet-and-hold": "{feed}: 실행 중인 것 없음. 보류되어 아무것도 시작되지 않음.",
    "accept.here": "{feed} {date}: 행이 이미 있음. 완료처리할 것이 없음.",
    "accept.already": "{feed} {date}: 이미 완료처리됨, {by}.",
    "accept.absent": "{feed} {date}: 행 없이 끝난 것으로 침. 지금: {words}.",
    "skip-gap.nothing": "{feed}: 결번 없음. 넘어갈 것이 없음.",
    "skip-gap.lost": "영영 잃은 것으로 인정: {gaps}.",
    "reversible.no": "되돌릴 수 없음.",
    "reversible.free": "되돌리기: 해제 {feed}.",
    "reversible.free-all": "되돌리기: `feedfall free --all`.",
    "reversible.hold": "다시 멈추기: 보류 {feed}.",
    "reversible.accept-undo": "되돌리기: `feedfall accept {feed} --date {date} --undo`.",
    "reversible.nothing-lost": "잃는 것 없음: 다음 실행이 멈춘 곳부터 이어 감.",
    "next.nothing": "",
    "next.waits": "그동안 메시지는 Kafka에 남고, 주문은 기다림.",
    "next.started": "기다리던 것은 60초 안에 점검(sweep)이 시작함.",
    "next.stays": "{feed}: 아직 움직이지 않음. 남은 것 {left}.",
    "next.again": "보류하지 않으면 점검(sweep)이 60초 안에 다시 시작함.",
    "next.no-sweep": "지금은 점검(sweep)이 다시 시작하지 않음: {sweep}.",
    "next.held": "해제할 때까지 아무것도 시작되지 않음: {feed}.",
    "next.stays-stopped": "{feed}: 보류나 차단 중. 해제할 때까지 아무것도 시작되지 않음.",
    "next.submit-again": "점검(sweep)은 다시 시작하지 않음: 같은 주문을 다시 해야 함.",
    "next.accepted": "더는 미도착으로 알리지 않음. 그래도 행이 오면 적재됨.",
    "next.goes-on": "{feed}: 다음 벨이나 점검(sweep) 때 그 뒤부터 이어 감.",
    "approval": "두 번째 사람의 승인이 필요함.",
    "rerun.again": "{feed} {date}: 다음 순번(seq)으로 다시 요청함. 더 나은 행이 올 때까지 지금 행은 그대로.",
    "reversible.withdraw": "응답이 오기 전에는 `feedfall withdraw {feed}` 명령으로 취소할 수 있음.",
}
#: The board does what the command needs an option for: who presses the button has read whose hold it is.
EN: Mapping[str, str] = {
    **previews.WORDS,
    "hold.others": "{feed} is held by {by} since {since}: {reason}. If you go on, the hold becomes yours.",
    "free.others": "It lifts of {feed}: {lifted}. The hold is {by}'s, since {since}: {reason}.",
    "next.again": "The sweep starts it again within 60 s unless it is held.",
    "rerun.again": "{feed} {date} is requested again, under the next seq. What is here stays until better rows come.",
    "reversible.withdraw": "Until it is answered, `feedfall withdraw {feed}` takes it back.",
}
TABLES: Mapping[Language, Mapping[str, str]] = {"ko": KO, "en": EN}
NOTHING_TO_DO = (".nothing", ".here", ".already")


def sentences(shown: previews.Preview, language: Language) -> list[str]:
    """What will happen, what follows, and how it is taken back: a sentence each."""
    codes = [shown.code] if shown.code.endswith(NOTHING_TO_DO) else [shown.code, shown.next, shown.reversible]
    found = [TABLES[language][code].format(**{"feed": "", **shown.parameters}) for code in codes]
    return [each for each in found if each]
